import { createHash } from 'node:crypto';
import { Html, html } from '../html.ts';
import type { Answer } from '../server.ts';
import { SCRIPT, STYLE } from './assets.ts';
import type { Sections } from './source.ts';

/** A page on which only its own style and script have an effect (Content Security Policy Level 3). */
export function pageAnswer(title: Html, body: Html): Answer {
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
${body}
<script>${new Html(SCRIPT)}</script>
</body>
</html>
`.text,
    headers: { 'Content-Security-Policy': policyOf() },
  };
}

let policy: string | null = null;

function policyOf(): string {
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  policy ??= [
    "default-src 'none'",
    `style-src ${hash(STYLE)}`,
    `script-src ${hash(SCRIPT)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types zero',
  ].join('; ');
  return policy;
}

/** The page of one instance. @param log lines of the log, as HTML */
export function instancePage(sections: Sections, log: string, navigation: Html = html``): Answer {
  const part = (id: string) => new Html(sections.get(id) ?? '');
  const card = (id: string, title: string) =>
    html`<section class="card ${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2><div id="${id}">${part(id)}</div></section>`;
  const output = part('output');
  const body = html`<header>${navigation}<h1 id="name">${part('name')}</h1><p id="facts">${part('facts')}</p></header>
<p id="lost" role="alert" hidden></p>
<main>
<section class="card state" id="state" aria-label="State">${part('state')}</section>
<p id="announcement" class="unseen" role="status">${part('announcement')}</p>
<ul id="tiles" aria-label="Numbers of the last 4 minutes">${part('tiles')}</ul>
${card('traffic', 'Traffic')}
<section class="card output" id="output" aria-label="Last output of the failed candidate"${new Html(output.text === '' ? ' hidden' : '')}>${output}</section>
${card('workers', 'Workers')}
${card('listeners', 'Listeners')}
${card('timeline', 'Handovers')}
<section class="card log" aria-labelledby="log-title"><h2 id="log-title">Events</h2><ol id="log" role="log" aria-live="off" aria-labelledby="log-title" tabindex="0">${new Html(log)}</ol></section>
</main>
<footer><p>Read-only. To change something, use <code>zero</code> in a terminal.</p><noscript><p>Without JavaScript this page does not update. Reload it to see the newest state.</p></noscript></footer>`;
  return pageAnswer(html`${part('announcement')} - ${part('name')} - zero`, body);
}
