import { decimal } from '../common/duration.ts';
import type { Metric } from './metrics.ts';

/**
 * A metric in the format of the first zero's client, with its newline:
 * `zero.process.start,name=example,version=1:1|c`. Tags are sorted, in the style of Telegraf and InfluxDB. Name, keys
 * and values are escaped like Go's url.QueryEscape.
 */
export function statsdLine(metric: Metric, prefix: string, tags: Readonly<Record<string, string>>): string {
  const name = prefix === '' ? metric.name : `${prefix}.${metric.name}`;
  const all = Object.entries({ ...tags, ...metric.tags })
    .map(([key, value]) => `,${queryEscape(key)}=${queryEscape(value)}`)
    .sort();
  return `${queryEscape(name)}${all.join('')}:${plainNumber(metric.value)}|${metric.type}\n`;
}

/**
 * Escapes everything except letters, digits and `-_.~`; a space becomes a plus. A lone surrogate has no encoding and
 * becomes U+FFFD.
 */
function queryEscape(text: string): string {
  return encodeURIComponent(Buffer.from(text).toString())
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

/** A number without an exponent, which statsd does not accept. */
function plainNumber(value: number): string {
  const text = String(value);
  return text.includes('e') ? decimal(value) : text;
}
