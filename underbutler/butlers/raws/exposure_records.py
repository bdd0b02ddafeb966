"""The dimension records that a raw frame needs in the registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from underbutler.instruments.instrument_map import InstrumentMap
from underbutler.instruments.observation import Observation
from underbutler.model.dataref import DataIdValue

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

__all__ = ["ExposureRecords", "record_differences"]


class ExposureRecords:
    """Records of one ingest: what is known, and what has to be written.

    Parameters
    ----------
    butler
        A writeable butler.
    """

    def __init__(self, butler: Butler) -> None:
        self.butler = butler
        self.has_new = False
        """Whether records were written that other butlers of this process keep in memory."""
        self._known: set[tuple[str, str, object]] = set()

    def find(self, element: str, **data_id: DataIdValue) -> Any:
        """Return a record, None if there is none."""
        found = self.butler.query_dimension_records(element, data_id=data_id, explain=False)
        return found[0] if found else None

    def write(self, seen: Observation, instrument: InstrumentMap, exposure: int, *, anew: bool) -> None:
        """Write the records that a frame needs and that the repository lacks, parents first.

        Parameters
        ----------
        seen
            What its header says.
        instrument
            The map.
        exposure
            Its exposure id.
        anew
            Whether an exposure's record that is there already gets the values of this frame.
        """
        insert = self.butler.registry.insertDimensionData
        for element, record in self._lacking(seen, instrument):
            insert(element, record, skip_existing=True)
        own = {"instrument": seen.instrument}
        known = self.find("exposure", instrument=seen.instrument, exposure=exposure)
        if known is None:
            insert("group", own | {"name": str(exposure)}, skip_existing=True)
            insert("exposure", own | self._exposure(seen, exposure, self._obs_id(seen, exposure)), skip_existing=True)
        elif anew:
            insert("exposure", own | self._exposure(seen, exposure, known.obs_id), replace=True)

    def _lacking(self, seen: Observation, instrument: InstrumentMap) -> Iterator[tuple[str, dict[str, Any]]]:
        own = {"instrument": seen.instrument}
        detector = own | {
            "id": seen.detector,
            "full_name": instrument.detector_name(seen.detector),
            "purpose": "SCIENCE",
        }
        physical_filter = own | {"name": seen.physical_filter, "band": seen.band}
        for element, key, record in (
            ("detector", seen.detector, detector),
            ("physical_filter", seen.physical_filter, physical_filter),
            ("day_obs", seen.day_obs, own | {"id": seen.day_obs, "timespan": _day(seen.day_obs, instrument)}),
        ):
            known = (seen.instrument, element, key)
            if known in self._known:
                continue
            if self.find(element, instrument=seen.instrument, **{element: key}) is None:
                self.has_new |= element != "day_obs"
                yield element, record  # known only when it is seen again: this one may be rolled back
            else:
                self._known.add(known)

    def _exposure(self, seen: Observation, exposure: int, obs_id: str) -> dict[str, Any]:
        from astropy.time import TimeDelta
        from lsst.daf.butler import Timespan

        end = seen.begin.tai + TimeDelta(seen.seconds, format="sec")
        return {
            "id": exposure,
            "obs_id": obs_id,
            "physical_filter": seen.physical_filter,
            "group": str(exposure),
            "day_obs": seen.day_obs,
            "exposure_time": seen.seconds,
            "dark_time": seen.seconds,
            "observation_type": seen.observation_type,
            "target_name": seen.target,
            "tracking_ra": seen.ra,
            "tracking_dec": seen.dec,
            "timespan": Timespan(seen.begin.tai, end),
        }

    def _obs_id(self, seen: Observation, exposure: int) -> str:
        """Return the file's stem; with the exposure if a camera has used that file name before."""
        stem = seen.stem[:64].replace("%", "_")  # in the name of a file, %23 would be read as another character
        others = self.butler.query_dimension_records(
            "exposure",
            instrument=seen.instrument,
            where="exposure.obs_id = stem",
            bind={"stem": stem},
            explain=False,
        )
        return stem if not others else f"{stem[: 63 - len(str(exposure))]}-{exposure}"


def record_differences(record: Any, seen: Observation) -> list[str]:
    """Return what an exposure's record and another frame's header say differently; empty if it is one exposure."""
    pairs = {
        "filter": (record.physical_filter, seen.physical_filter),
        "observation type": (record.observation_type, seen.observation_type),
    }
    found = [f"{name} {old!r}, now {new!r}" for name, (old, new) in pairs.items() if old != new]
    if abs(record.exposure_time - seen.seconds) >= 1e-3:
        found.append(f"exposure time {record.exposure_time:g} s, now {seen.seconds:g} s")
    if abs((record.timespan.begin - seen.begin.tai).sec) >= 1.0:
        found.append(f"begin {record.timespan.begin.utc.isot}, now {seen.begin.utc.isot}")
    return found


def _day(day_obs: int, instrument: InstrumentMap) -> Any:
    from astropy.time import Time, TimeDelta
    from lsst.daf.butler import Timespan

    text = f"{day_obs // 10000:04d}-{day_obs // 100 % 100:02d}-{day_obs % 100:02d}T00:00:00"
    begin = Time(text, format="isot", scale="tai") + TimeDelta(instrument.site_offset_hours * 3600.0, format="sec")
    return Timespan(begin, begin + TimeDelta(86400.0, format="sec"))
