# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Where Debian's packages come from. To be sourced.

# The mirror that this system's own suite comes from; nothing where that cannot be told.
system_mirror() {
  (
    # shellcheck source=/dev/null
    . /etc/os-release
    # The fields are apt's.
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
      awk -v suite="${VERSION_CODENAME:-}" '$1 == suite && $2 == "main" && $3 !~ /^cdrom:/ { print $3; exit }'
  ) 2>/dev/null || true
}

# One for Debian's suites, from any system.
debian_mirror() {
  local mirror=''
  if grep -qsx 'ID=debian' /etc/os-release; then mirror=$(system_mirror); fi
  echo "${mirror:-http://deb.debian.org/debian}"
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
