"""Which requests go through a proxy, as Go's net/http decides it."""

from __future__ import annotations

import pytest

from skopeo_mirror.skopeo.http_proxy import proxy_variables


@pytest.mark.parametrize(
    ("host", "excluded", "proxied"),
    [
        pytest.param("a.test", "", True, id="any"),
        pytest.param("a.test:5000", "", True, id="any-port"),
        pytest.param("127.0.0.1:5000", "", False, id="loopback"),
        pytest.param("localhost:5000", "", False, id="localhost"),
        pytest.param("a.test", "*", False, id="all"),
        pytest.param("a.test", "b.test, a.test", False, id="name"),
        pytest.param("x.a.test", "a.test", False, id="below-a-name"),
        pytest.param("x.a.test", ".a.test", False, id="below-a-suffix"),
        pytest.param("a.test", ".a.test", True, id="not-the-suffix-itself"),
        pytest.param("xa.test", "a.test", True, id="another-name"),
        pytest.param("a.test:5000", "a.test:5000", False, id="port"),
        pytest.param("a.test:5000", "a.test:6000", True, id="another-port"),
        pytest.param("10.1.2.3:5000", "10.0.0.0/8", False, id="network"),
        pytest.param("10.1.2.3:5000", "192.168.0.0/16,oops/x", True, id="another-network"),
    ],
)
def test_goes_through_a_proxy(host: str, excluded: str, *, proxied: bool) -> None:
    found = proxy_variables(host, {"HTTPS_PROXY": "http://p.test:3128", "NO_PROXY": excluded})
    assert found == (("HTTPS_PROXY",) if proxied else ())


def test_without_a_variable_there_is_none() -> None:
    assert proxy_variables("a.test", {"HTTPS_PROXY": ""}) == ()
