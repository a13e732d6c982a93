"""Where Beam runs unless it is told."""

import dataclasses

from pipeline.config import Config

_ON_THIS_MACHINE = (
    "--runner=DirectRunner",
    # Without triggers this changes nothing, except that Beam takes its own Python engine at once
    # rather than try to download another one first.
    "--allow_unsafe_triggers",
    # Where nothing says what workers run, TFX packs itself up for them, two seconds a node; here
    # workers run what is installed, and nobody looks at this.
    "--sdk_container_image=none",
)


def with_engine(config: Config) -> Config:
    """`config` with Beam's own engine, in the node's process, where no other one is named."""
    arguments = config.run.beam_args
    if any(argument.startswith("--runner") for argument in arguments):
        return config
    run = dataclasses.replace(config.run, beam_args=(*_ON_THIS_MACHINE, *arguments))
    return dataclasses.replace(config, run=run)
