import type { CommandShape, OptionShape, Shape, Value } from './parts.ts';

/** The script for fish 3. */
export function fishCompletion({ commands, options }: Shape): string {
  const noCommand = 'test -z (__zero_command)';
  return `# zero in fish: put this into ~/.config/fish/completions/zero.fish
#   zero completion fish | source
function __zero_instances
    set -l uid (id -u)
    set -l places /run/zero /run/user/$uid/zero /tmp/zero-$uid
    test -n "$XDG_RUNTIME_DIR"; and set -a places $XDG_RUNTIME_DIR/zero
    test -n "$TMPDIR"; and set -a places $TMPDIR/zero-$uid
    test $uid = 0; and set places /run/zero /run/user/*/zero /tmp/zero-*
    for record in $places/*/instance.json $places/.instances/*/instance.json
        test -f $record; and string replace -rf '.*"name":"([A-Za-z0-9._+@:-]*)".*' '$1' <$record
    end | sort -u
end
function __zero_numbers
    set -l instance (string match -r -- '^--(?:config|name)=.*' (commandline -opc))
    set -l option ''
    for word in (commandline -opc)
        contains -- $option --config --name; and set -a instance $option $word
        set option $word
    end
    zero history --json $instance 2>/dev/null | string replace -rf '^ {6}"'$argv[1]'": (\\d+).*' '$1' | sort -un
end
# The command once it was typed, with -- once that was, too.
function __zero_command
    set -l words (commandline -opc)
    set -l command ''
    set -l skip 0
    for word in $words[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --config
                set skip 1
            case --
                test -n "$command"; and set command -- "$command --"
                break
            case '-*'
            case '*'
                test -z "$command"; and set command $word
        end
    end
    echo $command
end
# Whether an option was given before, by any of its names. Where the value of the option is completed, the last word is
# the option itself and does not count.
function __zero_given
    set -l words (commandline -opc)
    test $argv[1] = value; and set -e words[-1]
    for name in $argv[2..]
        string match -q -- "$name=*" $words; or contains -- $name $words; and return 0
    end
    return 1
end
complete -c zero -f
${options.map((option) => optionLine(noCommand, option)).join('')}${commands
  .map(({ name, description }) => line(noCommand, `-a ${name}`, description))
  .join(
    '',
  )}${commands.map(commandLines).join('')}complete -c zero -n 'string match -q "* --" -- (__zero_command)' -F -a '(__fish_complete_command)'
`;
}

function commandLines({ name, options, argument }: CommandShape): string {
  const condition = `test (__zero_command) = ${name}`;
  const lines = options.map((option) => optionLine(condition, option));
  if (argument !== null && argument.kind !== 'command' && argument.kind !== 'anything')
    lines.push(line(condition, candidates(argument), ''));
  return lines.join('');
}

function optionLine(place: string, { names, description, value, repeatable }: OptionShape): string {
  const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  if (value !== null) flags.push(value.kind === 'file' ? '-r -F' : `-x ${candidates(value)}`.trimEnd());
  const given = `__zero_given ${value === null ? 'flag' : 'value'} ${names.join(' ')}`;
  return line(repeatable ? place : `${place}; and not ${given}`, flags.join(' '), description);
}

function candidates(value: Value): string {
  switch (value.kind) {
    case 'word':
      return `-a ${quote(value.words.join(' '))}`;
    case 'instance':
      return "-a '(__zero_instances)'";
    case 'generation':
      return "-a '(__zero_numbers generation)'";
    case 'handover':
      return "-a '(__zero_numbers handover)'";
    default:
      return '';
  }
}

function line(condition: string, what: string, description: string): string {
  const details = description === '' ? '' : ` -d ${quote(description)}`;
  return `complete -c zero -n ${quote(condition)} ${what}${details}\n`;
}

const quote = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`;
