import type { ExitStatus, Fact } from '../lifecycle/facts.ts';

/** The sentence of a fact. Its details are in the fields. */
export function messageOf(fact: Fact): string {
  switch (fact.event) {
    case 'supervisor_started':
      return 'zero started';
    case 'supervisor_recovered':
      return fact.by === 'upgrade'
        ? 'zero continues after the upgrade'
        : `zero continues the service of the supervisor that died (pid ${fact.previous})`;
    case 'service_adopted':
      return `adopted the service of process ${fact.pid}, which keeps running`;
    case 'supervisor_upgrading':
      return `upgrading zero from ${fact.from} to ${fact.to}`;
    case 'supervisor_upgraded':
      return `zero was upgraded from ${fact.from} to ${fact.to}`;
    case 'keeper_started':
      return `keeper ${fact.pid} holds ${fact.sockets} sockets`;
    case 'keeper_lost':
      return `no keeper holds the sockets: ${fact.reason}. zero starts a new keeper`;
    case 'state_set_aside':
      return `recorded state is not used: ${fact.reason}. It was moved to ${fact.file}`;
    case 'worker_adopted':
      return 'worker adopted';
    case 'output_lost':
      return `${fact.stream} of a running worker cannot be read any more: ${fact.reason}`;
    case 'notify_lost':
      return 'worker has not reported that it is ready since zero was restarted: the report may be lost, so the worker is restarted';
    case 'listener_bound':
      return 'listening';
    case 'listener_closed':
      return 'listener closed';
    case 'service_starting':
      return 'starting the service';
    case 'worker_spawned':
      return 'worker spawned';
    case 'worker_spawn_failed':
      return 'worker could not be spawned';
    case 'gate_passed':
      return 'gate passed';
    case 'worker_ready':
      return 'worker ready';
    case 'worker_not_ready':
      return 'worker not ready in time';
    case 'worker_exited':
      return fact.expected ? 'worker exited' : 'worker exited unexpectedly';
    case 'worker_restarting':
      return 'worker will be restarted';
    case 'crash_loop':
      return `worker ${fact.worker} is in a crash loop: ${fact.reason}`;
    case 'worker_pid_changed':
      return 'worker has a new main process';
    case 'worker_signalled':
      return 'worker signalled';
    case 'worker_killed':
      return 'worker killed';
    case 'worker_not_stoppable':
      return `process ${fact.pid} keeps running: ${fact.reason}`;
    case 'leftovers_killed':
      return 'remaining processes of a worker killed';
    case 'output_dropped':
      return fact.stream === 'file'
        ? 'output of workers dropped: it cannot be written to its file'
        : 'output of a worker dropped: its reader is too slow';
    case 'reload_requested':
      return fact.merged ? 'reload requested, waits for the handover in progress' : 'reload requested';
    case 'handover_mode':
      return `old and new generations share their sockets: ${fact.reason}`;
    case 'handover_step':
      return fact.percent === null ? `handover: ${fact.step}` : `handover: ${fact.step}, ${fact.percent} %`;
    case 'steering_changed':
      return 'new connections steered';
    case 'worker_stalled':
      return 'worker is hung: connections wait for it and it accepts none';
    case 'worker_stall_ended':
      return STALL_ENDED[fact.how];
    case 'worker_unhealthy':
      return `worker ${fact.worker} fails its liveness check: ${fact.reason}${fact.all ? '. No other worker passes, so zero replaces none' : ''}`;
    case 'worker_healthy':
      return `worker ${fact.worker} passes its liveness check again`;
    case 'worker_replacing':
      return `worker ${fact.worker} will be replaced by worker ${fact.replacement}: ${fact.reason}`;
    case 'worker_replaced':
      return `worker ${fact.replacement} has replaced worker ${fact.worker}, which retires`;
    case 'worker_replacement_failed':
      return `worker ${fact.worker} could not be replaced and keeps running: ${fact.failure.reason}`;
    case 'scale_started':
      return `changing the number of workers from ${fact.from} to ${fact.to}`;
    case 'scale_finished':
      return scaleText(fact);
    case 'idle_connections_ended':
      return 'idle connections ended';
    case 'lane_relieved':
      return 'a connection waits in a lane from which no worker accepts: zero starts a rescue worker';
    case 'generation_rolled_back':
      return `generation ${fact.failure.step === 'abort' ? 'was aborted' : 'failed'} after its promotion: the previous generation serves again`;
    case 'executable_kept':
      return 'executable kept for a rollback';
    case 'executable_changed':
      return fact.runs === 'copy'
        ? `${fact.reason}: the worker runs the kept copy of its release`
        : `${fact.reason}, and there is no copy of it: the worker runs the file on the disk`;
    case 'release_labelled':
      return 'the release has a label';
    case 'watching':
      return 'watching for deploys';
    case 'rollback_found':
      return `rolling back to generation ${fact.generation}`;
    case 'hook_started':
      return `hook ${fact.hook} started`;
    case 'hook_finished':
      return fact.failure ? `hook ${fact.hook} failed: ${fact.failure.reason}` : `hook ${fact.hook} done`;
    case 'handover_started':
      return 'handover started';
    case 'handover_finished':
      return `handover ${fact.outcome.replaceAll('_', ' ')}`;
    case 'generation_promoted':
      return 'generation promoted';
    case 'generation_retiring':
      return 'generation retiring';
    case 'generation_gone':
      return 'generation ended';
    case 'admin_listening':
      return 'the admin endpoint listens';
    case 'admin_closed':
      return 'the admin endpoint is closed';
    case 'stop_requested':
      return fact.now ? 'stopping now' : 'stopping';
    case 'supervisor_stopped':
      return 'zero stopped';
    case 'warning':
    case 'error':
      return fact.message;
  }
}

function scaleText({ from, to, outcome, failure }: Extract<Fact, { event: 'scale_finished' }>): string {
  if (outcome === 'done') return `the number of workers was changed from ${from} to ${to}`;
  const change = `changing the number of workers from ${from} to ${to}`;
  const reason = failure === null ? '' : `: ${failure.reason}`;
  return outcome === 'in_progress'
    ? `${change} takes longer than its timeout`
    : `${change} ${outcome.replaceAll('_', ' ')}${reason}`;
}

const STALL_ENDED = {
  recovered: 'hung worker accepts connections again',
  stopping: 'hung worker was asked to stop',
  exited: 'hung worker exited',
} as const;

/** `exit code 1`, `killed by SIGSEGV (core dumped)`, `exit code unknown`. */
export function exitText(exit: ExitStatus): string {
  switch (exit.kind) {
    case 'exited':
      return `exit code ${exit.code}`;
    case 'signaled':
      return `killed by ${exit.signal}${exit.coreDumped ? ' (core dumped)' : ''}`;
    case 'unknown':
      return 'exit code unknown';
  }
}
