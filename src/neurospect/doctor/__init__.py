"""What can be checked before weeks of computing; no job is started."""

from neurospect.doctor.examination import examine_setup
from neurospect.doctor.findings import Finding, findings_json, findings_text, worst

__all__ = ["Finding", "examine_setup", "findings_json", "findings_text", "worst"]
