#!/bin/sh
# Sends an event of zero by email, with the sendmail of postfix, exim, msmtp or another mail server:
#
#   hooks:
#     on_crash_loop: { run: [/etc/zero/email.sh, ops@example.org] }
set -eu
to=${1:?the address of the recipient is missing}
PATH=$PATH:/usr/sbin:/usr/lib

# No line of the header can be added from outside: each variable is one line.
exec sendmail -i "$to" <<MAIL
To: $to
Subject: zero: $ZERO_EVENT of $ZERO_NAME
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
Auto-Submitted: auto-generated

$ZERO_MESSAGE

event       $ZERO_EVENT
generation  $ZERO_GENERATION
release     $ZERO_RELEASE
serves      ${ZERO_INCUMBENT:-none}
MAIL
