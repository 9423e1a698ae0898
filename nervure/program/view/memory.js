// The arena over time: a rectangle for each buffer, from its birth to its death and at
// its place; above them the bytes in use.

const AXIS = 62;

class MemoryView {
  constructor(canvas, memory, colours, chosen) {
    this.canvas = canvas;
    this.memory = memory;
    this.colours = colours;
    this.chosen = chosen;
    this.moment = memory.peakMoment;
    this.buffers = placed(memory);
    this.height = Math.max(1, memory.arena === null ? memory.peak : memory.arena,
                           ...this.buffers.map((one) => one.offset + one.space));
    canvas.addEventListener("pointermove", (event) => this.hover(event));
    canvas.addEventListener("pointerleave", () => this.chosen(null, null));
    canvas.addEventListener("click", (event) => this.click(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  get moments() { return Math.max(1, this.memory.live.length); }

  x(moment) { return AXIS + (this.width - AXIS - 6) * moment / this.moments; }

  y(bytes) { return this.depth - 6 - (this.depth - 14) * bytes / this.height; }

  draw() {
    const { canvas } = this, ratio = window.devicePixelRatio || 1;
    this.width = canvas.clientWidth;
    this.depth = canvas.clientHeight;
    if (!this.width) return;
    canvas.width = this.width * ratio;
    canvas.height = this.depth * ratio;
    const ctx = canvas.getContext("2d"), colour = this.colours();
    ctx.scale(ratio, ratio);
    ctx.font = "11px system-ui, sans-serif";
    ctx.fillStyle = colour.faint;
    ctx.strokeStyle = colour.rule;
    ctx.textAlign = "right";
    for (const part of [0, 0.5, 1]) {
      const y = this.y(this.height * part);
      ctx.fillText(bytesText(this.height * part), AXIS - 4, y + 4);
      ctx.beginPath();
      ctx.moveTo(AXIS, y);
      ctx.lineTo(this.width - 6, y);
      ctx.stroke();
    }
    for (const one of this.buffers) {
      const left = this.x(one.birth), right = this.x(one.death + 1);
      const top = this.y(one.offset + one.space), bottom = this.y(one.offset);
      ctx.fillStyle = one === this.marked ? colour.mark
                                          : colour.line[one.role] || colour.line.other;
      ctx.globalAlpha = one.kind === "value" || one === this.marked ? 0.85 : 0.4;
      ctx.fillRect(left, top, Math.max(1, right - left - 1),
                   Math.max(1, bottom - top - 0.5));
    }
    ctx.globalAlpha = 1;
    this.drawLine(ctx, colour);
  }

  drawLine(ctx, colour) {
    ctx.strokeStyle = colour.live;
    ctx.lineWidth = 1.5;
    ctx.beginPath();
    this.memory.live.forEach((bytes, at) => {
      const y = this.y(bytes);
      if (at) ctx.lineTo(this.x(at), y); else ctx.moveTo(this.x(0), y);
      ctx.lineTo(this.x(at + 1), y);
    });
    ctx.stroke();
    ctx.lineWidth = 1;
    ctx.strokeStyle = colour.ink;
    ctx.setLineDash([3, 3]);
    const x = (this.x(this.moment) + this.x(this.moment + 1)) / 2;
    ctx.beginPath();
    ctx.moveTo(x, 4);
    ctx.lineTo(x, this.depth - 4);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  find(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const share = (x - AXIS) / (this.width - AXIS - 6);
    const moment = Math.floor(share * this.moments);
    const inside = moment >= 0 && moment < this.moments;
    const found = this.buffers.find((one) =>
      one.birth <= moment && moment <= one.death &&
      y <= this.y(one.offset) && y >= this.y(one.offset + one.space));
    return { moment: inside ? moment : null, buffer: found || null };
  }

  hover(event) {
    const { moment, buffer } = this.find(event);
    this.chosen("hover", buffer, moment, event);
  }

  click(event) {
    const { moment, buffer } = this.find(event);
    if (moment !== null) this.moment = moment;
    this.marked = buffer;
    this.chosen("click", buffer, this.moment, event);
    this.draw();
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    this.moment = Math.min(this.moments - 1, Math.max(0, this.moment + step));
    this.chosen("click", null, this.moment, event);
    this.draw();
  }

  inUse(moment) {
    return this.buffers
      .filter((one) => one.birth <= moment && moment <= one.death)
      .sort((a, b) => b.space - a.space);
  }
}

// Buffers that count, each with a place: that of the arena, or where there is none the
// lowest one that is free for all its life.
function placed(memory) {
  const counted = memory.buffers.filter((one) => one.counts);
  if (memory.arena !== null) return counted;
  const done = [];
  for (const one of [...counted].sort((a, b) => b.space - a.space)) {
    const others = done
      .filter((other) => other.birth <= one.death && one.birth <= other.death)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of others) {
      if (other.offset - offset >= one.space) break;
      offset = Math.max(offset, other.offset + other.space);
    }
    done.push({ ...one, offset });
  }
  return done;
}
