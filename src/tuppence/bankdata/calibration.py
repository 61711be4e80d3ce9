"""Figures that the synthetic population follows, with their sources."""

from typing import Final

DECILES: Final = 10

# Average weekly household expenditure in pounds by gross income decile group, United Kingdom,
# financial year ending 2018. Office for National Statistics, Family Spending, table 3.1E,
# Open Government Licence v3.0.
WEEKLY_SPENDING: Final[dict[str, tuple[float, ...]]] = {
    "groceries": (39.6, 52.0, 52.6, 58.1, 59.5, 62.5, 64.6, 69.3, 70.2, 77.8),
    "alcohol": (8.1, 8.8, 10.1, 11.6, 11.3, 13.6, 12.6, 15.1, 17.0, 16.1),
    "clothing": (11.2, 15.3, 15.5, 19.1, 20.8, 23.5, 29.6, 33.7, 35.7, 39.0),
    "housing": (59.4, 68.4, 71.2, 67.0, 76.8, 80.4, 78.4, 75.3, 89.4, 95.1),
    "household": (15.9, 22.2, 25.9, 29.1, 29.8, 41.3, 48.4, 50.0, 51.7, 92.3),
    "health": (1.7, 3.6, 4.1, 4.2, 5.5, 7.5, 8.4, 9.4, 9.8, 14.7),
    "transport": (23.8, 38.9, 47.3, 57.6, 68.2, 80.5, 87.3, 103.3, 128.7, 172.9),
    "communication": (10.3, 13.6, 15.6, 16.4, 17.2, 19.2, 19.1, 20.9, 23.7, 22.7),
    "entertainment": (30.4, 32.7, 43.3, 50.6, 59.7, 74.6, 89.4, 90.7, 126.5, 148.2),
    "education": (5.3, 3.1, 1.7, 1.7, 8.0, 2.4, 8.7, 9.4, 15.5, 30.8),
    "eating out": (18.2, 23.0, 29.6, 31.3, 38.7, 46.3, 53.3, 66.4, 79.1, 110.6),
    "personal care": (17.0, 22.8, 26.2, 34.2, 37.3, 52.5, 49.1, 56.8, 59.5, 80.0),
    "other": (23.9, 32.4, 43.2, 54.0, 62.6, 78.1, 80.9, 92.5, 118.1, 178.5),
}

# Transactions per customer and month: 10th, 50th and 90th percentile and mean; and shares of rows.
# Measured in a data set of a bank (ANZ, 2018).
MONTHLY_QUANTILES: Final = (17.0, 36.5, 67.0)
MONTHLY_MEAN: Final = 40.0
BILL_SHARE: Final = 0.22
MERCHANT_MISSING: Final = 0.36

# The project's own figures: plausible, not measured.
CATEGORY_MISSING: Final = 0.12
SEASON: Final = (0.90, 0.92, 0.98, 1.00, 1.00, 1.00, 1.02, 1.00, 0.98, 1.00, 1.06, 1.24)
"""Card payments by month, January first."""
WEEKDAYS: Final = (0.90, 0.90, 0.95, 1.00, 1.15, 1.25, 0.85)
"""Card payments by day, Monday first."""
ENERGY_SEASON: Final = (1.35, 1.30, 1.15, 1.00, 0.85, 0.75, 0.70, 0.70, 0.80, 0.95, 1.15, 1.30)
"""Energy bills by month, January first."""
VISITS: Final[dict[str, float]] = {
    "groceries": 0.32,
    "eating out": 0.24,
    "transport": 0.15,
    "entertainment": 0.06,
    "clothing": 0.05,
    "household": 0.05,
    "personal care": 0.04,
    "alcohol": 0.03,
    "health": 0.03,
    "cash": 0.02,
    "education": 0.005,
    "gambling": 0.005,
}
"""Share of each category in the number of card payments and cash withdrawals."""
REGIONS: Final[dict[str, float]] = {
    "East Midlands": 0.07,
    "East of England": 0.09,
    "London": 0.13,
    "North East": 0.04,
    "North West": 0.11,
    "Northern Ireland": 0.03,
    "Scotland": 0.08,
    "South East": 0.14,
    "South West": 0.09,
    "Wales": 0.05,
    "West Midlands": 0.09,
    "Yorkshire and the Humber": 0.08,
}
MERCHANTS: Final[dict[str, tuple[str, ...]]] = {
    "groceries": (
        "Harvest Lane", "Green Basket", "Corner & Co", "Fairfield Foods", "Daily Larder",
        "Marrow Market", "Orchard Stores", "Tin and Tin", "Quayside Grocers", "Pantry Direct",
    ),
    "eating out": (
        "Bean Yard", "Pepper Tree", "The Copper Kettle", "Noodle Row", "Crust Club", "Salt & Fig",
        "Corner Fryer", "Brew Nine", "Lantern Kitchen", "Morning Roll", "Chip Harbour",
    ),
    "transport": (
        "Metro Line", "Northway Fuel", "Swift Cabs", "Coastal Rail", "City Bus", "Park & Pay",
    ),
    "entertainment": ("Picture House", "Bowl Town", "Game Loft", "Stage Door", "Leisure Dome"),
    "clothing": ("Thread & Hem", "Northcoat", "Shoe Cabin", "Loom", "Second Spin"),
    "household": ("Nest Supplies", "Brightside Home", "Toolshed", "Plug & Lamp"),
    "personal care": ("Trim Room", "Soap Works", "Petal & Co"),
    "alcohol": ("Cask & Cork", "Vine Cellar"),
    "health": ("High Street Chemist", "Clear Optics", "Smile Studio"),
    "cash": ("Cash Machine",),
    "education": ("Open Shelf Books", "Evening College"),
    "gambling": ("Lucky Lane", "Spin Palace"),
}  # fmt: skip
"""Invented names, most visited first."""
BILLERS: Final[dict[str, tuple[str, ...]]] = {
    "housing": ("Keystone Homes", "Mortar Mortgages", "Threshold Lettings"),
    "energy": ("Brightwave Energy", "Northern Spark", "Kettle Power"),
    "mobile": ("Hummingbird Mobile", "Pocket Tel"),
    "council tax": ("Council Tax",),
    "broadband": ("Fathom Fibre", "Quickline"),
    "water": ("Riverside Water",),
    "insurance": ("Umbrella Cover", "Safe Harbour Insurance"),
    "subscriptions": (
        "Streamly", "Tunebox", "Cloudcellar", "Papertrail News", "Playground Plus", "Recipe Crate",
    ),
    "charity": ("Lifeline Fund",),
}  # fmt: skip
BILL_ORDER: Final = (
    "housing", "energy", "mobile", "council tax", "broadband", "water", "subscriptions",
    "insurance", "subscriptions", "subscriptions", "charity", "subscriptions", "insurance",
    "subscriptions",
)  # fmt: skip
"""A customer with n bills has the first n of these."""
