/** The process that wrote. */
export interface OutputSource {
  readonly generation: number;
  readonly worker: number;
  readonly stream: 'stdout' | 'stderr';
}

/** Bytes of one source as they were read. They end with a newline unless the line continues in the next piece. */
export interface OutputPiece extends OutputSource {
  /** Its position among everything in the view. */
  readonly at: number;
  /** When it was read: milliseconds since 1970. */
  readonly time: number;
  readonly bytes: Buffer;
}

/**
 * All stored output, or the output of one generation. Positions in a view are counted in bytes from its beginning,
 * whether or not those bytes are still stored.
 */
export type OutputView = number | 'all';

export interface OutputLogLimits {
  /** Bytes of a slab: the unit in which memory is allocated and released. */
  readonly slab: number;
  /** Slabs of one generation. */
  readonly perGeneration: number;
  /** Slabs of all generations. */
  readonly total: number;
}

/** 256 KiB for a generation, 1 MiB in total. */
const LIMITS: OutputLogLimits = { slab: 16 * 1024, perGeneration: 16, total: 64 };

// A record: the position among all output (double), the length, the worker (both 16 bits), the stream (8 bits), the
// time (48 bits), an unused byte; then the bytes themselves.
const HEADER = 20;
const LENGTH = 8;
const WORKER = 10;
const STREAM = 12;
const TIME = 13;
const TIME_BYTES = 6;
const NEWLINE = 10;
const MAX_WORKER = 0xffff;

interface Slab {
  readonly memory: Buffer;
  used: number;
  /** Offset of its last record. */
  last: number;
  /** Position of its first byte in the generation's own view. */
  readonly start: number;
}

interface Kept {
  readonly id: number;
  slabs: Slab[];
  /** Number of bytes that it ever wrote. */
  written: number;
  closed: boolean;
}

interface Found {
  readonly slab: Slab;
  /** Offset of its bytes in the slab. */
  readonly offset: number;
  readonly length: number;
  readonly all: number;
  readonly own: number;
}

/**
 * The newest output of recent generations. Memory is allocated only for written output and is bounded, regardless of
 * the number and length of lines. The log outlives the workers; the oldest output is removed first.
 */
export class OutputLog {
  readonly #limits: OutputLogLimits;
  readonly #generations = new Map<number, Kept>();
  readonly #listeners = new Set<() => void>();
  /** A released slab, for the next allocation. */
  #spare: Buffer | null = null;
  #slabs = 0;
  #written = 0;
  readonly #clock: () => number;

  /** @param clock milliseconds since 1970 */
  constructor(limits: OutputLogLimits = LIMITS, clock: () => number = Date.now) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Generations with output, or that may get some, oldest first. */
  get generations(): number[] {
    return [...this.#generations.keys()];
  }

  /** Bytes of memory in use. */
  get held(): number {
    return this.#slabs * this.#limits.slab;
  }

  /** This generation may write from now on. */
  open(generation: number): void {
    if (this.#generations.has(generation)) return;
    this.#generations.set(generation, { id: generation, slabs: [], written: 0, closed: false });
  }

  /** The generation has stopped writing permanently: its followers reach the end. */
  close(generation: number): void {
    const kept = this.#generations.get(generation);
    if (kept === undefined) return;
    kept.closed = true;
    if (kept.slabs.length === 0) this.#generations.delete(generation);
    this.#notify();
  }

  /** Whether more output may come in this view. */
  isOpen(view: OutputView): boolean {
    return view === 'all' || this.#generations.get(view)?.closed === false;
  }

  add(source: OutputSource, bytes: Buffer): void {
    this.open(source.generation);
    const kept = this.#generations.get(source.generation);
    if (kept === undefined || bytes.length === 0) return;
    const time = this.#clock();
    for (let at = 0; at < bytes.length; ) at += this.#append(kept, source, time, bytes.subarray(at));
    this.#notify();
  }

  /** The position after all written output. */
  end(view: OutputView): number {
    return view === 'all' ? this.#written : (this.#generations.get(view)?.written ?? 0);
  }

  /**
   * The position where the last `count` lines begin; the beginning of the view if fewer are stored.
   * @param worker only lines of this worker count; null: those of all workers
   */
  lastLines(view: OutputView, count: number, worker: number | null = null): number {
    if (count === 0) return this.end(view);
    const found = [...this.#inOrder(view, 0)];
    let left = count;
    let last = true;
    for (const { slab, offset, length, all, own } of found.reverse()) {
      if (worker !== null && workerAt(slab, offset) !== worker) continue;
      for (let index = length - 1; index >= 0; index -= 1) {
        // The last newline ends the last line and begins none.
        if (slab.memory[offset + index] === NEWLINE && !last) {
          left -= 1;
          if (left === 0) return (view === 'all' ? all : own) + index + 1;
        }
        last = false;
      }
    }
    return 0;
  }

  /**
   * The position of the first output that was read at this time or later. The beginning of the view if that is the
   * oldest stored output, because earlier output may be missing.
   */
  since(view: OutputView, time: number): number {
    let isOldest = true;
    for (const { slab, offset, all, own } of this.#inOrder(view, 0)) {
      if (slab.memory.readUIntLE(offset - HEADER + TIME, TIME_BYTES) >= time)
        return isOldest ? 0 : view === 'all' ? all : own;
      isOldest = false;
    }
    return this.end(view);
  }

  /** The stored output from that position on, in the order in which it was read; at most `size` bytes. Copies. */
  read(view: OutputView, from: number, size: number): OutputPiece[] {
    const pieces: OutputPiece[] = [];
    let left = size;
    for (const found of this.#inOrder(view, from)) {
      if (left <= 0) break;
      const { slab, offset, length, generation } = found;
      const start = view === 'all' ? found.all : found.own;
      const skipped = Math.max(0, from - start);
      const taken = Math.min(length - skipped, left);
      left -= taken;
      pieces.push({
        at: start + skipped,
        time: slab.memory.readUIntLE(offset - HEADER + TIME, TIME_BYTES),
        generation,
        worker: workerAt(slab, offset),
        stream: slab.memory[offset - HEADER + STREAM] === 1 ? 'stderr' : 'stdout',
        bytes: Buffer.from(slab.memory.subarray(offset + skipped, offset + skipped + taken)),
      });
    }
    return pieces;
  }

  /** Calls back on new output until the returned function is called. */
  onMore(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #notify(): void {
    for (const notify of this.#listeners) notify();
  }

  /** Appends as much as fits into one record. Returns the number of bytes. */
  #append(kept: Kept, { worker, stream }: OutputSource, time: number, bytes: Buffer): number {
    const number = Math.min(worker, MAX_WORKER);
    const kind = stream === 'stderr' ? 1 : 0;
    let slab = kept.slabs.at(-1);
    if (slab !== undefined && this.#continues(slab, number, kind, time)) {
      const taken = this.#copy(kept, slab, bytes);
      slab.memory.writeUInt16LE(slab.memory.readUInt16LE(slab.last + LENGTH) + taken, slab.last + LENGTH);
      if (taken > 0) return taken;
    }
    if (slab === undefined || slab.memory.length - slab.used <= HEADER) slab = this.#newSlab(kept);
    slab.last = slab.used;
    slab.memory.writeDoubleLE(this.#written, slab.used);
    slab.memory.writeUInt16LE(number, slab.used + WORKER);
    slab.memory[slab.used + STREAM] = kind;
    slab.memory.writeUIntLE(time, slab.used + TIME, TIME_BYTES);
    slab.used += HEADER;
    const taken = this.#copy(kept, slab, bytes);
    slab.memory.writeUInt16LE(taken, slab.last + LENGTH);
    return taken;
  }

  /** Whether the last record of the slab has this source and time, and no other output came after it. */
  #continues({ memory, last, used }: Slab, worker: number, kind: number, time: number): boolean {
    if (used === 0) return false;
    const end = memory.readDoubleLE(last) + memory.readUInt16LE(last + LENGTH);
    const isSameSource =
      memory.readUInt16LE(last + WORKER) === worker &&
      memory[last + STREAM] === kind &&
      end === this.#written;
    return isSameSource && memory.readUIntLE(last + TIME, TIME_BYTES) === time;
  }

  #copy(kept: Kept, slab: Slab, bytes: Buffer): number {
    const taken = bytes.copy(slab.memory, slab.used);
    slab.used += taken;
    kept.written += taken;
    this.#written += taken;
    return taken;
  }

  #newSlab(kept: Kept): Slab {
    if (kept.slabs.length >= this.#limits.perGeneration) this.#release(kept);
    else if (this.#slabs >= this.#limits.total) this.#release(this.#oldest() ?? kept);
    const memory = this.#spare ?? Buffer.allocUnsafeSlow(this.#limits.slab);
    this.#spare = null;
    const slab: Slab = { memory, used: 0, last: 0, start: kept.written };
    kept.slabs.push(slab);
    this.#slabs += 1;
    return slab;
  }

  #oldest(): Kept | undefined {
    return [...this.#generations.values()].find(({ slabs }) => slabs.length > 0);
  }

  #release(kept: Kept): void {
    const slab = kept.slabs.shift();
    if (slab === undefined) return;
    this.#spare = slab.memory;
    this.#slabs -= 1;
    if (kept.closed && kept.slabs.length === 0) this.#generations.delete(kept.id);
  }

  /** The records of a view from that position on, in the order in which they were written. */
  *#inOrder(view: OutputView, from: number): Generator<Found & { readonly generation: number }> {
    const sources = [...this.#generations.values()].filter(({ id }) => view === 'all' || id === view);
    const heads = sources.map((kept) => {
      const records = recordsOf(kept, view, from);
      return { generation: kept.id, records, next: records.next() };
    });
    for (;;) {
      let first: (typeof heads)[number] | null = null;
      for (const head of heads) {
        if (head.next.done) continue;
        if (first === null || first.next.done || head.next.value.all < first.next.value.all) first = head;
      }
      if (first === null || first.next.done) return;
      yield { ...first.next.value, generation: first.generation };
      first.next = first.records.next();
    }
  }
}

/** @param offset offset of a record's bytes */
function workerAt({ memory }: Slab, offset: number): number {
  return memory.readUInt16LE(offset - HEADER + WORKER);
}

function* recordsOf({ slabs }: Kept, view: OutputView, from: number): Generator<Found, undefined> {
  for (const slab of slabs) {
    const { memory, used, last, start } = slab;
    const lastLength = memory.readUInt16LE(last + LENGTH);
    // In its own view a generation's slabs are contiguous; in the view of all, other output is in between.
    if (view === 'all' && memory.readDoubleLE(last) + lastLength <= from) continue;
    let own = start;
    for (let at = 0; at < used; ) {
      const length = memory.readUInt16LE(at + LENGTH);
      const all = memory.readDoubleLE(at);
      if ((view === 'all' ? all : own) + length > from) yield { slab, offset: at + HEADER, length, all, own };
      own += length;
      at += HEADER + length;
    }
  }
}
