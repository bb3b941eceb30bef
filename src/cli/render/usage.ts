import type { UsageDocument } from '../../control/protocol.ts';
import { duration } from './style.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes as `45.1 MiB`, in the largest unit of which there is at least one. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit > 0 && value < 99.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** A share in percent as `3.2 %`; 100 % is one core. */
export function percent(value: number): string {
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} %`;
}

/** What all workers use together, in one line. */
export function usageLine({ cpu_percent, cpu_seconds, memory_bytes, interval_ms }: UsageDocument): string {
  const total = `${duration(cpu_seconds * 1000)} in total`;
  const cpu = `CPU ${percent(cpu_percent)} over the last ${duration(interval_ms)} (${total})`;
  return `${cpu}, memory ${bytes(memory_bytes)}`;
}
