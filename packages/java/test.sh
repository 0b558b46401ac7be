cp "$ROOT/packages/java/Test.java" src/main/java/
mvn -q -B compile org.codehaus.mojo:exec-maven-plugin:3.1.0:java -Dexec.mainClass=Test
