// Shows the server-sent events of the supervisor. The server has rendered every part as HTML, so this script only
// changes the parts that differ. That way bars move, and focus, selection and scroll position are kept.
const html = globalThis.trustedTypes?.createPolicy('zero', { createHTML: (text) => text }) ?? {
  createHTML: (text) => text,
};
/** Milliseconds until the next attempt if the browser makes none. */
const AGAIN = 3000;
/** Milliseconds without a message after which the connection counts as lost. */
const SILENCE = 60_000;
/** Maximum number of log lines. */
const LINES = 200;

const byId = (id) => document.getElementById(id);

/** @returns {DocumentFragment} */
function parsed(text) {
  const template = document.createElement('template');
  template.innerHTML = html.createHTML(text);
  return template.content;
}

function syncAttributes(old, next) {
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

/** Changes the children of an element into those of another, with as few changes as possible. */
function morph(old, next) {
  const wanted = [...next.childNodes];
  for (const [index, node] of wanted.entries()) {
    const current = old.childNodes[index];
    if (current === undefined) old.append(node);
    else if (current.nodeType !== node.nodeType || current.nodeName !== node.nodeName)
      current.replaceWith(node);
    else if (node.nodeType !== Node.ELEMENT_NODE) {
      if (current.data !== node.data) current.data = node.data;
    } else if (!current.isEqualNode(node)) {
      syncAttributes(current, node);
      morph(current, node);
    }
  }
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

function showSection({ id, html: text }) {
  const element = byId(id);
  if (element === null) return;
  morph(element, parsed(text));
  if (id === 'output') element.hidden = text === '';
  if (id === 'announcement' || id === 'name') showTitle();
}

function showTitle() {
  const state = byId('announcement')?.textContent;
  const name = byId('name')?.textContent;
  if (state && name) document.title = `${state} - ${name} - zero`;
}

function showLines({ reset, html: text }) {
  const log = byId('log');
  if (log === null) return;
  if (reset) log.replaceChildren();
  log.prepend(parsed(text));
  while (log.children.length > LINES) log.lastElementChild.remove();
}

function showLost(isLost) {
  const lost = byId('lost');
  if (lost.hidden !== isLost) return;
  lost.hidden = !isLost;
  document.body.classList.toggle('stale', isLost);
  if (isLost) {
    lost.textContent = `Connection lost at ${new Date().toLocaleTimeString()}. Showing the last known state. Trying again.`;
    document.title = `Connection lost - ${byId('name')?.textContent ?? ''} - zero`;
  } else showTitle();
}

let silence;

/**
 * The server sends a message at least twice a minute. A connection whose other end has disappeared or is halted reports
 * no error.
 */
function expectMore(source) {
  clearTimeout(silence);
  silence = setTimeout(() => {
    source.close();
    showLost(true);
    connect();
  }, SILENCE);
}

function connect() {
  const source = new EventSource('events');
  expectMore(source);
  const on = (name, show) =>
    source.addEventListener(name, ({ data }) => {
      expectMore(source);
      showLost(false);
      show(JSON.parse(data));
    });
  on('section', showSection);
  on('log', showLines);
  on('alive', () => {});
  source.addEventListener('error', () => {
    showLost(true);
    // The browser does not retry after a response such as 503.
    if (source.readyState !== EventSource.CLOSED) return;
    clearTimeout(silence);
    setTimeout(connect, AGAIN);
  });
}

connect();
