"""Days and months for loops, after the source that `feel.values.civil` names."""

from tuppence.compiled import part_of_loops


@part_of_loops
def month_day(day: int) -> int:
    """Return the day of the month of a day since 1970-01-01."""
    of_era = (day + 719_468) % 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    return of_year - (153 * ((5 * of_year + 2) // 153) + 2) // 5 + 1


@part_of_loops
def month_after(day: int, months: int) -> int:
    """Return the first day of the month that comes some months after that of a day."""
    era = (day + 719_468) // 146_097
    of_era = (day + 719_468) % 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153 + months  # 0 for March
    year += era * 400 + month // 12
    month = month % 12
    era = year // 400
    of_year = (153 * month + 2) // 5
    of_era = year % 400
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
