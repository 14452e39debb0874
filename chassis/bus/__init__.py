"""The bus over RabbitMQ: publish requests and await replies; consume deliveries and send replies."""
