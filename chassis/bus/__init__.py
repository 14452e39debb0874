"""The bus: requests out and answers back, deliveries in and outcomes told, all over RabbitMQ."""
