import { readSync, writeSync } from 'node:fs';
import type { Kernel } from '../../linux/kernel.ts';

/**
 * Memory that outlives the supervisor together with the keeper: the newest state, and the sources of each generation.
 * None of this data reaches a disk.
 */
export interface Vault {
  readonly fd: number;
  /** Writes the text of a state document. Throws Node's error, RangeError for more than 8 MiB. */
  writeState(text: string, sequence: number): void;
  /** Throws Node's error, RangeError for more than 8 MiB. */
  writeGenerations(bytes: Buffer): void;
  /** Writes the parts that exist. Throws the errors of the two methods above. */
  write(content: VaultContent): void;
  /** Throws Node's error. */
  read(): VaultContent;
  close(): void;
}

/** The content of a vault. */
export interface VaultContent {
  /** The newest state document, and its number. */
  readonly state: { readonly text: string; readonly sequence: number } | null;
  /** The data of the generations that no file may contain. */
  readonly generations: Buffer | null;
}

/** The name of the memory file, as the links of /proc/PID/fd show it: `/memfd:zero-vault (deleted)`. */
const VAULT_NAME = 'zero-vault';

// The layout: a page with the magic words and one entry per record, then two slots per record, which are mostly holes.
const MAGIC = Buffer.from('zero vault 1\n');
const ENTRY_SIZE = 24;
const MIB = 1024 * 1024;
const RECORDS = {
  state: { entry: 64, slots: 8 * MIB, capacity: 8 * MIB },
  generations: { entry: 128, slots: 24 * MIB, capacity: 8 * MIB },
} as const;
type RecordName = keyof typeof RECORDS;

interface Entry {
  /** 0 until the first write, then 1 or 2. */
  readonly slot: number;
  readonly length: number;
  readonly sequence: number;
}

/**
 * A file in memory with the data that a later supervisor needs to continue. The keeper holds the file as well, so it
 * outlives a killed supervisor. It may contain secrets of an environment, because it needs no disk.
 *
 * A record is written to the unused slot, then its entry. The 24 bytes of an entry are in one page, which the kernel
 * copies at once (copy_page_from_iter_atomic, mm/shmem.c). If the writer is killed at any point, a reader therefore
 * finds the old record or the new one.
 */
export class VaultFile implements Vault {
  readonly fd: number;
  readonly #kernel: Pick<Kernel, 'closeFd'>;

  private constructor(fd: number, kernel: Pick<Kernel, 'closeFd'>) {
    this.fd = fd;
    this.#kernel = kernel;
  }

  /** Throws SystemError if the memory file cannot be created. EFBIG: the limit on the size of files is below 40 MiB. */
  static create(kernel: Pick<Kernel, 'openMemoryFile' | 'closeFd'>): VaultFile {
    return new VaultFile(kernel.openMemoryFile(VAULT_NAME, MAGIC), kernel);
  }

  /** Continues a vault of another supervisor. Throws Error for any other file. */
  static resume(fd: number, kernel: Pick<Kernel, 'closeFd'>): VaultFile {
    const magic = Buffer.alloc(MAGIC.length);
    if (readSync(fd, magic, 0, magic.length, 0) !== magic.length || !magic.equals(MAGIC))
      throw new Error(`descriptor ${fd} is not a vault that this zero can read`);
    return new VaultFile(fd, kernel);
  }

  writeState(text: string, sequence: number): void {
    this.#write('state', Buffer.from(text), sequence);
  }

  writeGenerations(bytes: Buffer): void {
    this.#write('generations', bytes, 0);
  }

  write({ state, generations }: VaultContent): void {
    if (state !== null) this.writeState(state.text, state.sequence);
    if (generations !== null) this.writeGenerations(generations);
  }

  read(): VaultContent {
    const state = this.#read('state');
    return {
      state: state && { text: state.bytes.toString(), sequence: state.sequence },
      generations: this.#read('generations')?.bytes ?? null,
    };
  }

  close(): void {
    this.#kernel.closeFd(this.fd);
  }

  #entry(name: RecordName): Entry {
    const bytes = Buffer.alloc(ENTRY_SIZE);
    readSync(this.fd, bytes, 0, ENTRY_SIZE, RECORDS[name].entry);
    return { slot: bytes.readUInt32LE(0), length: bytes.readUInt32LE(4), sequence: bytes.readDoubleLE(8) };
  }

  #write(name: RecordName, bytes: Buffer, sequence: number): void {
    const { entry, slots, capacity } = RECORDS[name];
    if (bytes.length > capacity)
      throw new RangeError(
        `${name} of ${bytes.length} bytes do not fit into the vault, which has ${capacity}`,
      );
    const slot = this.#entry(name).slot === 1 ? 2 : 1;
    writeAll(this.fd, bytes, slots + (slot - 1) * capacity);
    const found = Buffer.alloc(ENTRY_SIZE);
    found.writeUInt32LE(slot, 0);
    found.writeUInt32LE(bytes.length, 4);
    found.writeDoubleLE(sequence, 8);
    writeAll(this.fd, found, entry);
  }

  #read(name: RecordName): { bytes: Buffer; sequence: number } | null {
    const { slot, length, sequence } = this.#entry(name);
    const { slots, capacity } = RECORDS[name];
    if (slot === 0 || length > capacity) return null;
    const bytes = Buffer.alloc(length);
    const read = readSync(this.fd, bytes, 0, length, slots + (slot - 1) * capacity);
    return read === length ? { bytes, sequence } : null;
  }
}

/** Whether a link of /proc/PID/fd leads to a vault. */
export function isVaultLink(link: string | null): boolean {
  return link?.startsWith(`/memfd:${VAULT_NAME}`) ?? false;
}

/** Writes at a position, because every process with the descriptor shares the offset of the open file (dup(2)). */
function writeAll(fd: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, position + at);
}
