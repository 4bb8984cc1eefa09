"""Write the generated files: `python -m neurospect.settings config`."""

import sys

from neurospect.settings.generated import write_generated

write_generated(sys.argv[1])
