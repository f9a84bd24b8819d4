"""Tables and figures of an evaluation, and the page that shows them."""
