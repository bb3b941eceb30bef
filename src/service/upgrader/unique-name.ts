/** For what must not meet another one of its kind, and is no secret. node:crypto would take 2 ms to load. */
export const uniqueName = (): string => Math.random().toString(36).slice(2).padEnd(8, '0').slice(0, 8);
