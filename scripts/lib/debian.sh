# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Locates Debian mirrors and keyrings. To be sourced.

# The mirror of this system's own suite; empty if apt does not know it.
system_mirror() {
  local codename targets
  # shellcheck source=/dev/null
  codename=$(if [[ -r /etc/os-release ]]; then . /etc/os-release; fi && echo "${VERSION_CODENAME:-}")
  # Expanded by apt.
  # shellcheck disable=SC2016
  if ! targets=$(apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' 2>/dev/null); then
    return
  fi
  awk -v suite="$codename" '$1 == suite && $2 == "main" && $3 !~ /^cdrom:/ { print $3; exit }' <<<"$targets"
}

# A mirror with all Debian suites: LOWBIT_DEBIAN_MIRROR or, on Debian, the system's; otherwise empty.
debian_mirror() {
  if [[ -n ${LOWBIT_DEBIAN_MIRROR:-} ]]; then
    echo "$LOWBIT_DEBIAN_MIRROR"
  elif grep -qsx 'ID=debian' /etc/os-release; then
    system_mirror
  fi
}

# The keyring of the Debian archive; empty if not installed (debian-archive-keyring).
debian_keyring() {
  local file
  for file in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [[ -r $file ]]; then
      echo "$file"
      return
    fi
  done
}
