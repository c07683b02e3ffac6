"""What users and tenants have used, and how much they may."""
