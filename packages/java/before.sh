# JNA and the plugins of Maven come from Debian's packages, in place of Maven Central.
mkdir -p ~/.m2
cat >~/.m2/settings.xml <<'XML'
<settings>
  <mirrors>
    <mirror><id>debian</id><mirrorOf>central</mirrorOf><url>file:///usr/share/maven-repo</url></mirror>
  </mirrors>
</settings>
XML
