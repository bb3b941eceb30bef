import type { ServerResponse } from 'node:http';
import { parseSignal } from '../common/signals.ts';
import { factDocument } from '../facts/documents.ts';
import type { Followers } from '../http/follower.ts';
import type { Verdict } from '../lifecycle/verdicts.ts';
import type { Accepted, Answer, Control } from './control.ts';
import { eventFeed } from './event-feed.ts';
import { LineStream } from './line-stream.ts';
import { measure, measuredStatus } from './measured-status.ts';
import { type Output, outputFeed } from './output-feed.ts';
import type { AnswerOf, RequestOf, RouteName } from './protocol.ts';
import { RequestError } from './request-body.ts';
import { scaleDocument, verdictDocument } from './result-documents.ts';
import type { Views } from './views.ts';

/**
 * Performs the request of one route and writes its answer. An error that is thrown before the first write becomes the
 * answer.
 */
export type Handlers = {
  readonly [R in RouteName]: (request: RequestOf<R>, response: ServerResponse) => void | Promise<void>;
};

/** The clients that wait for the end of the supervisor. */
export type Farewells = Set<LineStream<AnswerOf<'stop'>>>;

export interface HandlerContext {
  readonly control: Control;
  readonly views: Views;
  readonly farewells: Farewells;
  readonly followers: Followers;
}

/** Connects the routes with the supervisor. */
export function handlersOf({ control, views, farewells, followers }: HandlerContext): Handlers {
  const refuseTooMany = (): void => {
    if (followers.areFull)
      throw new RequestError('overloaded', `${followers.max} clients already follow. End one of them`);
  };

  return {
    status: async ({ connections = false }, response) => {
      const measured = connections && (await measure(views));
      const document = control.status();
      sendJson(response, measured ? measuredStatus(document, measured) : document);
    },
    reload: (
      { preview = false, replace = false, timeout_ms = null, wait = true, label = null },
      response,
    ) => {
      const options = { preview, replace, timeoutMs: timeout_ms, wait, label };
      followHandover(control, response, wait, (onVerdict) => control.reload(options, onVerdict));
    },
    rollback: ({ to = null, timeout_ms = null, wait = true }, response) => {
      followHandover(control, response, wait, (onVerdict) =>
        control.rollback({ to, timeoutMs: timeout_ms }, onVerdict),
      );
    },
    scale: ({ workers, timeout_ms = null }, response) => {
      const lines = new LineStream<AnswerOf<'scale'>>(response, () => unsubscribe());
      const unsubscribe = control.onFact((fact) => lines.tell({ fact: factDocument(fact) }));
      const { ticket } = control.scale({ workers, timeoutMs: timeout_ms }, (result) => {
        lines.write({ result: scaleDocument(result) });
        lines.end();
      });
      lines.begin({ accepted: { ticket } });
    },
    wait: ({ handover = null }, response) => awaitHandover(control, response, handover),
    history: async (_, response) => sendJson(response, await control.history()),
    promote: async (_, response) => sendAnswer(response, await control.promote()),
    abort: async (_, response) => sendAnswer(response, await control.abort()),
    stop: ({ now = false }, response) => {
      const lines = new LineStream<AnswerOf<'stop'>>(response, () => {
        unsubscribe();
        farewells.delete(lines);
      });
      farewells.add(lines);
      const unsubscribe = control.onFact((fact) => lines.tell({ fact: factDocument(fact) }));
      control.stop(now);
      lines.begin({ accepted: { pid: process.pid, ...restartsOf(control) } });
    },
    upgrade: ({ path = null, node = null, timeout_ms = null }, response) => {
      const lines = new LineStream<AnswerOf<'upgrade'>>(response, () => unsubscribe());
      const unsubscribe = control.onFact((fact) => lines.tell({ fact: factDocument(fact) }));
      control.upgrade({ path, node, timeoutMs: timeout_ms }, (answer) => {
        if (answer.ok) lines.write({ upgrading: { zero: answer.to, node: answer.node } });
        else lines.write({ refused: { message: answer.message } });
        lines.end();
      });
      lines.begin({ accepted: { pid: process.pid, zero: control.status().zero } });
    },
    signal: ({ signal: given }, response) => {
      const signal = signalOf(given);
      const signalled = control.signal(signal);
      if ('refusal' in signalled) throw new RequestError('wrong_state', signalled.refusal);
      sendJson(response, { signal, ...signalled });
    },
    events: ({ last_event_id }, response) => {
      refuseTooMany();
      followers.follow(response, eventFeed(views.events, last_event_id), 'text/event-stream');
    },
    logs: (request, response) => {
      const {
        follow: keepFollowing = false,
        lines = null,
        worker = null,
        since_unix_ms: since = null,
      } = request;
      refuseTooMany();
      const file = views.outputFile();
      // The files may contain output that the memory no longer has.
      const isKept =
        request.generation === undefined || views.output.generations.includes(request.generation);
      const asked =
        file === null || isKept
          ? { view: viewOf(views.output, request.generation), lines, follow: keepFollowing }
          : { view: 'all' as const, lines: 0, follow: false };
      const feed = outputFeed(views.output, { ...asked, since, worker, file });
      followers.follow(response, feed, 'application/x-ndjson');
    },
  };
}

function signalOf(given: string): string {
  const name = parseSignal(given);
  if (name === null) throw new RequestError('bad_request', `signal: unknown signal ${given}`, 'signal');
  return name;
}

function viewOf({ generations }: Output, generation: number | undefined): number | 'all' {
  if (generation === undefined) return 'all';
  if (generations.includes(generation)) return generation;
  const kept = generations.length === 0 ? 'none' : generations.join(', ');
  const problem = `no output of generation ${generation} is kept. Kept generations: ${kept}`;
  throw new RequestError('unknown_generation', problem, 'generation');
}

/** Requests a handover and sends all facts until its verdict; with `wait` false only that it was accepted. */
function followHandover(
  control: Control,
  response: ServerResponse,
  wait: boolean,
  ask: (onVerdict: (verdict: Verdict) => void) => Accepted,
): void {
  const lines = new LineStream<AnswerOf<'reload'>>(response, () => unsubscribe());
  // Subscribes before the request, so that its immediate facts are sent as well.
  const unsubscribe = wait ? control.onFact((fact) => lines.tell({ fact: factDocument(fact) })) : () => {};
  const { ticket, handover } = ask((verdict) => {
    lines.write({ verdict: verdictDocument(verdict) });
    lines.end();
  });
  lines.begin({ accepted: { ticket, ...(handover !== null && { handover }), ...restartsOf(control) } });
  if (!wait) lines.end();
}

/** Sends all facts until the verdict of a handover that was requested earlier. */
function awaitHandover(control: Control, response: ServerResponse, wanted: number | null): void {
  const ends: (() => void)[] = [];
  const lines = new LineStream<AnswerOf<'wait'>>(response, () => {
    for (const end of ends) end();
  });
  const awaited = control.wait(wanted, (verdict) => {
    lines.write({ verdict: verdictDocument(verdict) });
    lines.end();
  });
  if ('refusal' in awaited) throw new RequestError('unknown_handover', awaited.refusal, 'handover');
  ends.push(
    awaited.cancel,
    control.onFact((fact) => lines.tell({ fact: factDocument(fact) })),
  );
  lines.begin({ accepted: { handover: awaited.handover, ...restartsOf(control) } });
}

function restartsOf(control: Control): { readonly restarts?: true } {
  return control.restarts() ? { restarts: true } : {};
}

function sendAnswer(response: ServerResponse, answer: Answer): void {
  if (!answer.ok) throw new RequestError('wrong_state', answer.message);
  sendJson(response, {});
}

function sendJson(response: ServerResponse, document: unknown): void {
  const body = `${JSON.stringify(document)}\n`;
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}
