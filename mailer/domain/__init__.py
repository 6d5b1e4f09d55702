"""Plain values of the mailer: subscribers, feeds and issues. These modules import no database and no network."""
