import type { CommandShape, OptionShape, Shape, Value } from './parts.ts';
import { GENERATIONS, HANDOVERS, INSTANCES } from './parts.ts';

/** The script for bash 4.4 or newer. It does not need the package bash-completion. */
export function bashCompletion(shape: Shape): string {
  const { commands, options } = shape;
  const valued = (all: readonly OptionShape[]) => all.filter(({ value }) => value !== null);
  return `# zero in bash: put this into ~/.bashrc
#   source <(zero completion bash)
_zero_instances() {
  ${INSTANCES}
}
_zero_generations() {
  ${GENERATIONS}
}
_zero_handovers() {
  ${HANDOVERS}
}
# Options that can be given here; each argument has the names of one. What was given before is left out.
_zero_options() {
  local names name
  for names; do
    for name in $names; do
      [[ " \${COMP_WORDS[*]:1:COMP_CWORD-1} " != *" $name "* ]] || continue 2
    done
    echo "$names"
  done
}
_zero_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current"); }
_zero_files() { compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); }
_zero() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command='' at option
  local -a instance=()
  COMPREPLY=()
  # bash takes --config=FILE for three words.
  if [ "$current" = = ]; then current=''
  elif [ "$previous" = = ]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    case $command:\${COMP_WORDS[at]} in
      *:--config | *:--name)
        option=\${COMP_WORDS[at]}
        [ "\${COMP_WORDS[++at]}" != = ] || at=$((at + 1))
        instance=("$option" "\${COMP_WORDS[at]}") ;;
      ${commands
        .filter(takesCommand)
        .map(({ name }) => `${name}:--`)
        .join(' | ')})
        if ((at + 1 == COMP_CWORD)); then mapfile -t COMPREPLY < <(compgen -c -- "$current")
        else _zero_files; fi
        return ;;
      :-*) ;;
      :*) command=\${COMP_WORDS[at]} ;;
    esac
  done
  case $command:$previous in
${[
  ...valued(options).map((option) => valueCase('', option)),
  ...commands.flatMap((command) => valued(command.options).map((option) => valueCase(command.name, option))),
].join('\n')}
  esac
  case $command in
    '') _zero_words ${offered(
      options,
      commands.map(({ name }) => name),
    )} ;;
${commands.map(commandCase).join('\n')}
  esac
}
complete -F _zero zero
`;
}

const HANDOVER_WORDS = '_zero_handovers "${instance[@]}"';

const takesCommand = ({ argument }: CommandShape): boolean => argument?.kind === 'command';

function valueCase(command: string, { names, value }: OptionShape): string {
  const patterns = names.map((name) => `${command}:${name}`).join(' | ');
  return `    ${patterns}) ${value === null ? '' : offer(value)} return ;;`;
}

function commandCase({ name, options, argument }: CommandShape): string {
  const words = argument?.kind === 'word' ? [...argument.words] : [];
  if (argument?.kind === 'command') words.push('--');
  if (argument?.kind === 'handover') words.push(`$(${HANDOVER_WORDS})`);
  return `    ${name}) _zero_words ${offered(options, words)} ;;`;
}

/** One argument of _zero_words: all words except values of options. */
function offered(options: readonly OptionShape[], words: readonly string[]): string {
  const names = (some: readonly OptionShape[]) => some.flatMap((option) => option.names);
  const once = options
    .filter(({ repeatable }) => !repeatable)
    .map((option) => `'${names([option]).join(' ')}'`);
  const always = [...words, ...names(options.filter(({ repeatable }) => repeatable))];
  return `"${[...(once.length > 0 ? [`$(_zero_options ${once.join(' ')})`] : []), ...always].join(' ')}"`;
}

function offer(value: Value): string {
  switch (value.kind) {
    case 'word':
      return `_zero_words '${value.words.join(' ')}';`;
    case 'file':
      return '_zero_files;';
    case 'instance':
      return '_zero_words "$(_zero_instances)";';
    case 'generation':
      return '_zero_words "$(_zero_generations "${instance[@]}")";';
    case 'handover':
      return `_zero_words "$(${HANDOVER_WORDS})";`;
    default:
      return '';
  }
}
