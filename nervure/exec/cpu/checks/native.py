"""The functions that check an access, and the records that they write.

Every thread has a record of its own: how many accesses it has checked, its first access
outside a buffer, and its first index outside an axis.  Behind the record lies memory to
which wrong accesses go instead.
"""

from __future__ import annotations

import ctypes
from typing import Final

from nervure.exec.cpu.jit import Code, compile_modules, define_symbol
from nervure.exec.cpu.target import target

# Words of a frame: the frame of the caller, the number of the call there, the record of
# the thread, and the bounds (for each pointer the first address and the one behind).
PARENT, PLACE, RECORD, BOUNDS = range(4)
FRAME_WORDS: Final = 4

# Words of a record: a counter, then two faults, each its count, five numbers that
# belong to its kind, and its path: the numbers of the calls, the innermost first.
CHECKED: Final = 0
ACCESS_FAULT: Final = 1
INDEX_FAULT: Final = 32
COUNT, NUMBERS, DEPTH, PATH = 0, 1, 6, 7
DEEPEST: Final = 24
RECORD_WORDS: Final = 64
# Bytes behind the record that an access outside its buffer may use instead.
ELSEWHERE_BYTES: Final = 4096
STRIDE: Final = 8 * RECORD_WORDS + ELSEWHERE_BYTES

DECLARATIONS: Final = (
    "declare ptr @nervure_checked(ptr, i64, i64, i64, i64, i64, ptr)",
    "declare ptr @nervure_checked_lanes(ptr, i64, i64, i64, i64, i64, i64, ptr)",
    "declare i64 @nervure_checked_bytes(ptr, i64, i64, i64, i64, ptr)",
    "declare void @nervure_check_index(i64, i64, i64, i64, ptr)",
)


def text() -> str:
    """Return the module of the functions that check.

    - ``nervure_checked(address, size, alignment, low, high, site, frame)`` returns the
      address, or another one if that is not within ``low`` and ``high``;
    - ``nervure_checked_lanes(address, mask, size, alignment, low, high, site, frame)``
      does so for those elements of a vector that a mask names by its bits;
    - ``nervure_checked_bytes(address, count, low, high, site, frame)`` returns how many
      of the bytes may be copied: all or none;
    - ``nervure_check_index(index, limit, number, unsigned, frame)`` records an index
      that is not one of 0 to ``limit``.
    """
    return f"""
declare i64 @llvm.cttz.i64(i64, i1)
declare i64 @llvm.ctlz.i64(i64, i1)
{_fault_text("nervure_access_fault", ACCESS_FAULT)}
{_fault_text("nervure_index_fault", INDEX_FAULT)}
define i1 @nervure_within(ptr %address, i64 %skip, i64 %size, i64 %alignment,
                          i64 %low, i64 %high, i64 %site, ptr %frame) {{
entry:
  %record.at = getelementptr ptr, ptr %frame, i64 {RECORD}
  %record = load ptr, ptr %record.at, align 8
  %checked = load i64, ptr %record, align 8
  %counted = add i64 %checked, 1
  store i64 %counted, ptr %record, align 8
  %number = ptrtoint ptr %address to i64
  %begin = add i64 %number, %skip
  %end = add i64 %begin, %size
  %below = icmp ult i64 %begin, %low
  %above = icmp ugt i64 %end, %high
  %outside = or i1 %below, %above
  %low.bits = sub i64 %alignment, 1
  %rest = and i64 %number, %low.bits
  %skewed = icmp ne i64 %rest, 0
  %wrong = or i1 %outside, %skewed
  br i1 %wrong, label %fault, label %fine
fault:
  call void @nervure_access_fault(i64 %begin, i64 %size, i64 %low, i64 %high,
                                  i64 %site, ptr %frame)
  ret i1 false
fine:
  ret i1 true
}}
define ptr @nervure_elsewhere(ptr %frame) {{
  %record.at = getelementptr ptr, ptr %frame, i64 {RECORD}
  %record = load ptr, ptr %record.at, align 8
  %elsewhere = getelementptr i64, ptr %record, i64 {RECORD_WORDS}
  ret ptr %elsewhere
}}
define ptr @nervure_checked(ptr %address, i64 %size, i64 %alignment, i64 %low,
                            i64 %high, i64 %site, ptr %frame) {{
entry:
  %fine = call i1 @nervure_within(ptr %address, i64 0, i64 %size, i64 %alignment,
                                  i64 %low, i64 %high, i64 %site, ptr %frame)
  br i1 %fine, label %here, label %there
here:
  ret ptr %address
there:
  %elsewhere = call ptr @nervure_elsewhere(ptr %frame)
  ret ptr %elsewhere
}}
define ptr @nervure_checked_lanes(ptr %address, i64 %mask, i64 %size, i64 %alignment,
                                  i64 %low, i64 %high, i64 %site, ptr %frame) {{
entry:
  %none = icmp eq i64 %mask, 0
  br i1 %none, label %here, label %some
some:
  %first = call i64 @llvm.cttz.i64(i64 %mask, i1 true)
  %leading = call i64 @llvm.ctlz.i64(i64 %mask, i1 true)
  %stop = sub i64 64, %leading
  %lanes = sub i64 %stop, %first
  %skip = mul i64 %first, %size
  %bytes = mul i64 %lanes, %size
  %fine = call i1 @nervure_within(ptr %address, i64 %skip, i64 %bytes, i64 %alignment,
                                  i64 %low, i64 %high, i64 %site, ptr %frame)
  br i1 %fine, label %here, label %there
here:
  ret ptr %address
there:
  %elsewhere = call ptr @nervure_elsewhere(ptr %frame)
  ret ptr %elsewhere
}}
define i64 @nervure_checked_bytes(ptr %address, i64 %count, i64 %low, i64 %high,
                                  i64 %site, ptr %frame) {{
entry:
  %nothing = icmp eq i64 %count, 0
  br i1 %nothing, label %none, label %some
some:
  %fine = call i1 @nervure_within(ptr %address, i64 0, i64 %count, i64 1,
                                  i64 %low, i64 %high, i64 %site, ptr %frame)
  br i1 %fine, label %all, label %none
all:
  ret i64 %count
none:
  ret i64 0
}}
define void @nervure_check_index(i64 %index, i64 %limit, i64 %number, i64 %unsigned,
                                 ptr %frame) {{
entry:
  %outside = icmp ugt i64 %index, %limit
  br i1 %outside, label %fault, label %done
fault:
  call void @nervure_index_fault(i64 %index, i64 %limit, i64 %number, i64 %unsigned,
                                 i64 0, ptr %frame)
  ret void
done:
  ret void
}}"""


def _fault_text(name: str, where: int) -> str:
    """Write the function that records a fault of a kind, if it is the first."""
    stores = "\n".join(
        f"  %at{place} = getelementptr i64, ptr %fault, i64 {NUMBERS + place}\n"
        f"  store i64 %x{place}, ptr %at{place}, align 8"
        for place in range(5)
    )
    return f"""
define void @{name}(i64 %x0, i64 %x1, i64 %x2, i64 %x3, i64 %x4, ptr %frame) cold {{
entry:
  %record.at = getelementptr ptr, ptr %frame, i64 {RECORD}
  %record = load ptr, ptr %record.at, align 8
  %fault = getelementptr i64, ptr %record, i64 {where}
  %before = load i64, ptr %fault, align 8
  %counted = add i64 %before, 1
  store i64 %counted, ptr %fault, align 8
  %first = icmp eq i64 %before, 0
  br i1 %first, label %write, label %done
write:
{stores}
  %depth.at = getelementptr i64, ptr %fault, i64 {DEPTH}
  %path = getelementptr i64, ptr %fault, i64 {PATH}
  br label %head
head:
  %depth = phi i64 [ 0, %write ], [ %deeper, %body ]
  %one = phi ptr [ %frame, %write ], [ %parent, %body ]
  store i64 %depth, ptr %depth.at, align 8
  %top = icmp eq ptr %one, null
  %deep = icmp uge i64 %depth, {DEEPEST}
  %end = or i1 %top, %deep
  br i1 %end, label %done, label %body
body:
  %place.at = getelementptr i64, ptr %one, i64 {PLACE}
  %place = load i64, ptr %place.at, align 8
  %path.at = getelementptr i64, ptr %path, i64 %depth
  store i64 %place, ptr %path.at, align 8
  %parent.at = getelementptr ptr, ptr %one, i64 {PARENT}
  %parent = load ptr, ptr %parent.at, align 8
  %deeper = add i64 %depth, 1
  br label %head
done:
  ret void
}}"""


_codes: list[Code] = []


def make_ready() -> None:
    """Compile the functions once in a process, and let native code call them.

    Without a lock, which a forked child might find locked: two threads at a time only
    waste time, and what both have made stays.
    """
    if not _codes:
        code = compile_modules([text()], target())
        _codes.append(code)
        for line in DECLARATIONS:
            name = line.split("@")[1].split("(")[0]
            define_symbol(name, ctypes.c_void_p(code.address(name)))
