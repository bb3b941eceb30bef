import type { Command } from 'commander';
import { bashCompletion } from './completion/bash.ts';
import { fishCompletion } from './completion/fish.ts';
import { shapeOf } from './completion/shape.ts';
import { zshCompletion } from './completion/zsh.ts';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;
export type Shell = keyof typeof SHELLS;

/** `zero completion SHELL`: prints what that shell evaluates. Returns the exit code. */
export function completion(
  shell: Shell,
  program: Command,
  write: (text: string) => void = (text) => process.stdout.write(text),
): number {
  write(SHELLS[shell](shapeOf(program)));
  return 0;
}
