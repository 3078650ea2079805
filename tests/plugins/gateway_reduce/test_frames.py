from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_reduce.frames import fold
from gateway_reduce.marks import LEFT_OUT

PYTHON = """Traceback (most recent call last):
  File "/usr/lib/python3.11/runpy.py", line 196, in _run_module_as_main
    return _run_code(code, main_globals, None,
  File "/app/shop/__main__.py", line 7, in <module>
    main()
  File "/app/.venv/lib/python3.11/site-packages/click/core.py", line 1157, in __call__
    return self.main(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/.venv/lib/python3.11/site-packages/click/core.py", line 1078, in main
    rv = self.invoke(ctx)
  File "/app/.venv/lib/python3.11/site-packages/click/core.py", line 783, in invoke
    return __callback(*args, **kwargs)
  File "/app/shop/orders.py", line 41, in refund
    return json.loads(text)
  File "/usr/lib/python3.11/json/decoder.py", line 337, in decode
    obj, end = self.raw_decode(s, idx=_w(s, 0).end())
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
"""
JAVA = """Exception in thread "main" com.acme.shop.RefundException: no such order
\tat com.acme.shop.OrderService.refund(OrderService.java:41) ~[classes/:na]
\tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method) ~[na:na]
\tat java.base/java.lang.reflect.Method.invoke(Method.java:568) ~[na:na]
\tat org.springframework.web.method.support.InvocableHandlerMethod.doInvoke(InvocableHandlerMethod.java:205) ~[spring]
\tat com.acme.shop.AuditFilter.doFilter(AuditFilter.java:19) ~[classes/:na]
\tat org.apache.catalina.core.StandardWrapperValve.invoke(StandardWrapperValve.java:167) ~[tomcat]
\tat org.apache.tomcat.util.net.SocketProcessorBase.run(SocketProcessorBase.java:49) ~[tomcat]
\tat java.base/java.lang.Thread.run(Thread.java:833) ~[na:na]
Caused by: java.sql.SQLException: connection refused
\t... 52 common frames omitted
"""
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at refund (/app/src/orders.js:41:17)
    at Layer.handle [as handle_request] (/app/node_modules/express/lib/router/layer.js:95:5)
    at next (/app/node_modules/express/lib/router/route.js:149:13)
    at new Promise (<anonymous>)
    at file:///app/src/audit.mjs:19:9
    at Module._compile (node:internal/modules/cjs/loader:1376:14)
    at Module.load (node:internal/modules/cjs/loader:1207:32)
    at node:internal/main/run_main_module:28:49
"""
NET = """Unhandled exception. System.InvalidOperationException: no such order
   at System.Linq.ThrowHelper.ThrowNoElementsException()
   at Acme.Shop.OrderService.Refund(Int32 id) in /src/Shop/OrderService.cs:line 41
   at Microsoft.AspNetCore.Mvc.Infrastructure.ActionMethodExecutor.Execute(ActionContext context, Object controller)
   at System.Runtime.CompilerServices.TaskAwaiter.ThrowForNonSuccess(Task task)
   at Acme.Shop.Program.Main(String[] args) in /src/Shop/Program.cs:line 7
"""
GO = """panic: no such order

goroutine 1 [running]:
main.refund(0x2a)
\t/app/orders.go:41 +0x1d
net/http.HandlerFunc.ServeHTTP(0xc0000b6000?, {0x7f2a, 0xc00012e000}, 0xc000140000)
\t/usr/local/go/src/net/http/server.go:2122 +0x29
github.com/gorilla/mux.(*Router).ServeHTTP(0xc0000d8000, {0x7f2a, 0xc00012e000}, 0xc000140000)
\t/root/go/pkg/mod/github.com/gorilla/mux@v1.8.0/mux.go:210 +0x1cf
main.main()
\t/app/main.go:7 +0x2f
exit status 2
"""
RUST = """thread 'main' panicked at src/orders.rs:41:9:
no such order
stack backtrace:
   0: rust_begin_unwind
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/std/src/panicking.rs:645:5
   1: core::panicking::panic_fmt
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/panicking.rs:72:14
   2: core::option::expect_failed
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/option.rs:1985:5
   3: shop::orders::refund
             at ./src/orders.rs:41:9
   4: core::ops::function::FnOnce::call_once
             at /rustc/07dca489ac2d933c78d3c5158e3f43beefeb02ce/library/core/src/ops/function.rs:250:5
"""
TRACES = {"python": PYTHON, "java": JAVA, "node": NODE, "net": NET, "go": GO, "rust": RUST}


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_own_frames_and_the_first_and_last_stay(trace):
    folded = fold("before\n" + trace + "after\n")
    kept = folded.split("\n")
    own = [
        line
        for line in trace.split("\n")
        if "rders." in line or "udit" in line or "acme" in line.lower() or "/app/shop/" in line
    ]
    frames = [line for line in trace.split("\n") if line.startswith((" ", "\t"))]
    assert all(line in kept for line in [*own, frames[0], trace.split("\n")[0], "before", "after"])
    assert LEFT_OUT in folded
    assert len(folded) < 0.9 * len(trace)


def test_a_run_of_library_frames_is_counted():
    folded = fold(PYTHON)
    assert f'    main()\n  {LEFT_OUT}3 frames of libraries]\n  File "/app/shop/orders.py", line 41' in folded
    assert folded.endswith(PYTHON[PYTHON.index('  File "/usr/lib/python3.11/json/decoder.py", line 337') :]), (
        "one is too few"
    )


def test_a_library_that_is_itself_the_program_stays():
    trace = "org.apache.hadoop.fs.PathException: no such path\n" + "".join(
        f"\tat org.apache.hadoop.fs.shell.Command.step{n}(Command.java:{n})\n" for n in range(20)
    )
    assert fold(trace) == trace


@pytest.mark.parametrize(
    "text",
    [
        "Look at the file.\n  at noon (or later)\n  at one\n" * 9,
        'print("x")\n  File "a", line 3\n',
        "".join(f"src/a.py:{n}:     at x (y)\n" for n in range(30)),
        "".join(f"  {n}: entry of a list\n" for n in range(30)),
    ],
)
def test_other_text_stays(text):
    assert fold(text) == text


PARTS = st.sampled_from(
    [*TRACES.values(), *"".join(TRACES.values()).splitlines(keepends=True), "\n", "\ud800\x00\n", "goroutine "]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, max_size=20).map("".join) | st.text(max_size=60))
def test_any_text(text):
    folded = fold(text)
    assert len(folded) <= len(text)
    assert fold(folded) == folded
    remaining = iter(text.split("\n"))
    assert all(LEFT_OUT in line or line in remaining for line in folded.split("\n"))


@pytest.mark.parametrize(
    "line", ["   at " + "a." * 150, "   at " + "(" * 300, " " * 300, '  File "' + "/lib/" * 60, "   1: " + "<" * 300]
)
def test_a_megabyte_of_one_line_is_linear(line):
    signs = '\n  File "\n  at \n\tat \ngoroutine \nstack backtrace:\n'
    fold(signs + f"{line}\n" * (1_000_000 // len(line)))  # quadratic work here would run into the suite's timeout
