import { linux } from '../../linux/kernel.ts';
import { type Vault, VaultFile } from '../keeper/vault.ts';
import type { PreparedReleases } from '../run/prepared-releases.ts';
import type { Reads } from '../state-format/formats.ts';
import { encodeMemos, memoOf } from '../state-format/generation-memo.ts';
import { contentFor } from '../upgrade/older-content.ts';

export interface VaultKeepingContext {
  readonly releases: PreparedReleases;
  /** zero's own environment. */
  readonly environment: readonly Buffer[];
  /** The working directory as the user sees it, with its symlinks. */
  readonly directory: string;
  readonly failed: (step: string, error: unknown) => void;
}

/** Keeps the configs and environments of the generations in memory that outlives this process, never on a disk. */
export class VaultKeeping {
  readonly #context: VaultKeepingContext;
  #vault: Vault | null = null;
  /** The generations that the memory contains. */
  #kept = '';

  constructor(context: VaultKeepingContext) {
    this.#context = context;
  }

  /** The memory, which the keeper process holds too; null if it is not open yet or could not be created. */
  get vault(): Vault | null {
    return this.#vault;
  }

  /** The memory. Throws Error without one. */
  require(): Vault {
    if (this.#vault === null) throw new Error('zero has no memory that survives the change of its program');
    return this.#vault;
  }

  /**
   * Opens the memory. Idempotent.
   * @param fd the memory of the dead supervisor; null: creates a new one
   */
  open(fd: number | null): void {
    if (this.#vault !== null) return;
    try {
      this.#vault = fd === null ? VaultFile.create(linux) : VaultFile.resume(fd, linux);
    } catch (error) {
      this.#context.failed('create memory for the state', error);
    }
    this.look();
  }

  /**
   * Writes every generation in the versions that the next zero reads. Returns the text of the state. Throws Error if
   * the vault has no state, and the errors of `contentFor` and the vault.
   */
  writeFor(reads: Reads): string {
    const vault = this.require();
    const content = contentFor(vault.read(), reads);
    if (content.state === null) throw new Error('the vault has no state');
    vault.write(content);
    return content.state.text;
  }

  /** Writes every generation again, in the newest version. */
  rewrite(): void {
    this.#kept = '';
    this.look();
  }

  /** Writes new generations, and removes generations that have ended. */
  look(): void {
    if (this.#vault === null) return;
    const { releases, environment, directory, failed } = this.#context;
    const { generations } = releases;
    const wanted = [...generations.keys()].join(' ');
    if (wanted === this.#kept) return;
    this.#kept = wanted;
    const memos = [...generations].flatMap(([id, prepared]) => memoOf(id, prepared) ?? []);
    const supervisor = { environment, commandLine: process.argv, directory };
    try {
      this.#vault.writeGenerations(encodeMemos({ supervisor, generations: memos }));
    } catch (error) {
      failed('keep configs in memory', error);
    }
  }
}
