"""The HTTPS service that hands out short-lived URLs, signs engines and answers admission; stateless."""
