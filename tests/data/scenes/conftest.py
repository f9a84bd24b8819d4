import pytest

from simone_tf.data.scenes.processes import RenderProcesses
from simone_tf.errors import UserError


@pytest.fixture(scope="session")
def processes():
    """Two processes that render."""
    with RenderProcesses(2) as pool:
        try:
            pool.check()
        except UserError as error:
            pytest.skip(str(error))
        yield pool
