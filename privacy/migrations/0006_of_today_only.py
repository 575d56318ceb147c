from django.db import migrations

# Neither belongs into the write-ahead log, a replica or a backup.
TABLES = ("privacy_dailysalt", "privacy_visitormark")


class Migration(migrations.Migration):
    dependencies = [("privacy", "0005_our_own_analytics")]
    operations = [
        migrations.RunSQL(
            [f"ALTER TABLE {table} SET UNLOGGED" for table in TABLES],
            [f"ALTER TABLE {table} SET LOGGED" for table in TABLES],
        )
    ]
