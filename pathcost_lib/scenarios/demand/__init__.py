"""What may come: demand by driver, a forecast of the near months, and the gap if nothing is done."""
