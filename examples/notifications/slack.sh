#!/bin/sh
# Sends an event of zero to Slack, or to a service with the same kind of webhook (Mattermost, Rocket.Chat):
#
#   hooks:
#     on_crash_loop: { run: [/etc/zero/slack.sh, /etc/zero/slack.curl] }
#
# The argument is a config file for curl with the URL of the webhook. Give it mode 0600, because the URL is a secret:
#
#   url = "https://hooks.slack.com/services/T000/B000/XXXX"
set -eu
config=${1:?the config file for curl is missing}

# ZERO_MESSAGE has no control characters. Slack needs &, < and > as entities, and JSON a backslash before \ and ".
text=$(printf '%s\n' "$ZERO_MESSAGE" |
  sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/[\\"]/\\&/g')

exec curl --silent --show-error --fail --output /dev/null --max-time 8 --retry 2 --retry-max-time 20 \
  --config "$config" --header 'Content-Type: application/json' --data-binary @- <<DOCUMENT
{"text": "$text"}
DOCUMENT
