import pytest

from simone_tf.errors import UserError
from simone_tf.scenes.processes import RenderProcesses


@pytest.fixture(scope="session")
def processes():
    """Two processes that render."""
    with RenderProcesses(2) as pool:
        try:
            pool.check()
        except UserError as error:
            pytest.skip(str(error))
        yield pool
