"""What keeps within bounds whatever others choose: their code, their texts, how much of it there is."""
