-- The same as billing.stripe.allowed.minimise, for whatever reaches a table another way.
CREATE OR REPLACE FUNCTION llmcost_minimise(value jsonb, paths jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF jsonb_typeof(value) = 'array' THEN
        RETURN (
            SELECT coalesce(jsonb_agg(public.llmcost_minimise(one, paths) ORDER BY place), '[]')
            FROM jsonb_array_elements(value) WITH ORDINALITY AS list (one, place)
        );
    ELSIF jsonb_typeof(value) = 'object' AND paths = 'true' THEN
        RETURN CASE WHEN jsonb_typeof(value -> 'id') = 'string' THEN value -> 'id' ELSE 'null' END;
    ELSIF jsonb_typeof(value) = 'object' THEN
        RETURN (
            SELECT coalesce(jsonb_object_agg(key, public.llmcost_minimise(value -> key, below)), '{}')
            FROM jsonb_each(paths) AS path (key, below) WHERE value ? key
        );
    ELSIF paths = 'true' THEN
        RETURN value;
    END IF;
    RETURN 'null';
END $$;

-- Before each row of dj-stripe's tables is written: columns that hold nothing are emptied, JSON
-- is cut down to its paths. A table without a rule takes no row at all.
CREATE OR REPLACE FUNCTION llmcost_minimise_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rule public.billing_stripe_kept;
    before jsonb := to_jsonb(NEW);
    after jsonb;
BEGIN
    SELECT * INTO rule FROM public.billing_stripe_kept WHERE "table" = TG_TABLE_NAME;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no rule says what % may keep', TG_TABLE_NAME;
    END IF;
    after := rule.blank;
    -- A secret must be unique even when it is no longer one.
    IF after ? 'secret' AND before ? 'id' THEN
        after := jsonb_set(after, '{secret}', to_jsonb('removed-' || (before ->> 'id')));
    END IF;
    SELECT after || coalesce(
        jsonb_object_agg(key, public.llmcost_minimise(before -> key, below)), '{}'
    )
    INTO after
    FROM jsonb_each(rule.paths) AS path (key, below) WHERE jsonb_typeof(before -> key) <> 'null';
    RETURN jsonb_populate_record(NEW, after);
END $$;
