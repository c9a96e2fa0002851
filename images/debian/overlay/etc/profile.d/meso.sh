# The login message. It may be late or missing, but never keeps anyone out.
if [ -t 1 ]; then
  timeout 10 /usr/bin/meso status --brief 2>/dev/null
  true
fi
