const DURATIONS: ReadonlySet<string> = new Set([
  'after',
  'uptime',
  'delay',
  'duration',
  'lasts',
  'retiredFor',
]);

/** True for the fields of a fact that are milliseconds. */
export function isDuration(name: string): boolean {
  return DURATIONS.has(name);
}

/** `retiredFor` as `retired_for`: names are written in snake_case wherever users see them. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
