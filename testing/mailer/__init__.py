"""Parts that the mailer's tests and its benchmark share."""
