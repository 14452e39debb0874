from alembic import command

from autograph.database import _sql, newest_revision
from autograph.statements import statements


def test_a_semicolon_ends_a_statement_only_where_it_stands_between_two() -> None:
    sql = """
        BEGIN; -- one; comment
        INSERT INTO a VALUES ('x;y', 'it''s;'); /* two; comments */
        ALTER TABLE "odd;name" ADD b int;
        DO $$ BEGIN PERFORM 1; END $$;
        CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $body$ SELECT $$;$$; $body$;
        SELECT 4 - 2 / 1;;
        SELECT/* and */5
    """

    assert statements(sql) == [
        "BEGIN",
        "INSERT INTO a VALUES ('x;y', 'it''s;')",
        'ALTER TABLE "odd;name" ADD b int',
        "DO $$ BEGIN PERFORM 1; END $$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $body$ SELECT $$;$$; $body$",
        "SELECT 4 - 2 / 1",
        "SELECT 5",
    ]


def test_every_statement_of_the_revisions_begins_with_a_word_that_a_statement_begins_with() -> None:
    """A string or body that was taken apart would go on with something else."""
    first = {statement.split()[0] for statement in statements(_sql(command.upgrade, "base", newest_revision()))}

    assert first <= {
        "BEGIN",
        "COMMIT",
        "CREATE",
        "ALTER",
        "COMMENT",
        "DO",
        "INSERT",
        "UPDATE",
        "DROP",
        "GRANT",
        "SELECT",
        "RESET",
    }
