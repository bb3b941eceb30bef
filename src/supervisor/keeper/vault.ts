/**
 * Memory that outlives the supervisor with the keeper: the newest state and what each generation was made of. Nothing
 * of it reaches a disk.
 */
export interface Vault {
  readonly fd: number;
  /** The text of a state document. Throws what fs does. */
  writeState(text: string, sequence: number): void;
  writeGenerations(bytes: Buffer): void;
  close(): void;
}

/** What a dead supervisor left in its vault. */
export interface VaultContent {
  readonly state: { readonly text: string; readonly sequence: number } | null;
  readonly generations: Buffer | null;
}
