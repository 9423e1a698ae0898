// Why the memory is as large as it is, in words.

const PEAK_ROWS = 12;

function kernelText(kernel) {
  return `${kernel.id} ${kernel.op}${kernel.layer ? ` (${kernel.layer})` : ""}`;
}

// What is alive at the peak: who wrote it, who needs it last, and what it adds up to.
function peakOf(inUse) {
  const { memory } = data, moment = memory.peakMoment;
  const running = data.kernels.filter((one) => one.moment === moment);
  const rows = inUse.map((buffer) => {
    const writer = data.kernels.find((one) => one.writes.includes(buffer.id));
    const readers = data.kernels.filter((one) => one.reads.includes(buffer.id));
    const last = readers.reduce((late, one) =>
      (!late || one.moment > late.moment ? one : late), null);
    const waits = writer && last && writer.moment < moment && last.moment > moment;
    return { buffer, writer, last, waits, saved: Boolean(writer && writer.saved) };
  });
  const total = (chosen) => chosen.reduce((sum, one) => sum + one.buffer.space, 0);
  return {
    moment, running, rows, bytes: total(rows),
    saved: total(rows.filter((one) => one.saved)),
    waiting: total(rows.filter((one) => one.waits && !one.saved)),
  };
}

function peakSentences(peak) {
  const { memory } = data;
  const now = peak.running.map(kernelText).slice(0, 3).join("; ") || "nothing";
  const part = (bytes) => `${bytesText(bytes)} ` +
    `(${Math.round(100 * bytes / Math.max(1, peak.bytes))} %)`;
  const words = [
    `Most memory, ${bytesText(memory.live[peak.moment] || 0)}, is in use at moment ` +
    `${peak.moment} of ${memory.live.length}, while ${now} runs.`,
  ];
  if (peak.saved) words.push(`${part(peak.saved)} of it was kept by the forward pass and ` +
    "waits for the backward pass.");
  if (peak.waiting) words.push(`${part(peak.waiting)} was written before and is read later.`);
  if (memory.arena !== null && memory.arena > (memory.live[peak.moment] || 0)) {
    words.push(`The arena has ${bytesText(memory.arena)}: gaps between values are the rest.`);
  }
  if (peak.saved > peak.bytes / 4) words.push("A smaller batch or memory_budget= " +
    "(values are computed again instead of kept) lowers it.");
  return words;
}

function peakRow(row) {
  const { buffer, writer, last } = row;
  const from = writer ? `written at ${writer.moment} by ${kernelText(writer)}`
                      : "there from the start";
  const until = last ? `, last read at ${last.moment} by ${kernelText(last)}` : "";
  return `${bytesText(buffer.space)} ${buffer.name} ${buffer.type}: ${from}${until}`;
}
