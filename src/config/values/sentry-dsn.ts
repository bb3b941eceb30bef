import type { Parsed } from '../../common/text.ts';

/** A Sentry DSN, `https://KEY@host/PROJECT`. No message quotes it: the key is a secret. */
export function parseSentryDsn(text: string): Parsed<string> {
  const problem = 'is no Sentry DSN: copy it from the project settings, https://KEY@host/PROJECT';
  if (!URL.canParse(text)) return { problem };
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username === '' || !/\/\d+$/.test(url.pathname))
    return { problem };
  return { value: text };
}
