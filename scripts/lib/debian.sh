# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Where Debian's packages come from. To be sourced.

# The mirror that this system's own suite comes from; nothing where apt does not say.
system_mirror() {
  local codename targets
  # shellcheck source=/dev/null
  codename=$(if [[ -r /etc/os-release ]]; then . /etc/os-release; fi && echo "${VERSION_CODENAME:-}")
  # The fields are apt's.
  # shellcheck disable=SC2016
  if ! targets=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null); then
    return
  fi
  awk -v suite="$codename" '$1 == suite && $2 == "main" && $3 !~ /^cdrom:/ { print $3; exit }' <<<"$targets"
}

# One that has all of Debian's suites: LOWBIT_DEBIAN_MIRROR, or on Debian the system's; else nothing.
debian_mirror() {
  if [[ -n ${LOWBIT_DEBIAN_MIRROR:-} ]]; then
    echo "$LOWBIT_DEBIAN_MIRROR"
  elif grep -qsx 'ID=debian' /etc/os-release; then
    system_mirror
  fi
}

# The keys that Debian's archive is signed with, empty where they are not installed (debian-archive-keyring).
debian_keyring() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [[ -r $file ]]; then
      echo "$file"
      return
    fi
  done
}
