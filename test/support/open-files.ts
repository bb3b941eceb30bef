import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

/** The open descriptors of a process, in order. */
export function openDescriptors(pid: number): number[] {
  return readdirSync(`/proc/${pid}/fd`)
    .map(Number)
    .sort((a, b) => a - b);
}

/** The lowest free descriptor: the next one to be opened, or EMFILE if it is the limit (getrlimit(2)). */
export function nextDescriptor(pid: number): number {
  const open = new Set(openDescriptors(pid));
  let number = 0;
  while (open.has(number)) number += 1;
  return number;
}

/** Sets the soft limit of open files of a running process. Open descriptors above the limit stay open. */
export function limitDescriptors(pid: number, soft: number | 'hard'): void {
  const limit = soft === 'hard' ? hardLimit(pid) : soft;
  execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${limit}:`]);
}

function hardLimit(pid: number): string {
  const options = [`--pid=${pid}`, '--nofile', '--output=HARD', '--noheadings', '--raw'];
  return execFileSync('prlimit', options, { encoding: 'utf8' }).trim();
}
