import io.delta.storage.LocalLogStore;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.Iterator;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Delta Lake's log on a local disk, each version made whole and at most once by link(2), whoever else writes. */
public class LinkLogStore extends LocalLogStore {
    public LinkLogStore(Configuration configuration) {
        super(configuration);
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration configuration)
            throws IOException {
        java.nio.file.Path file = Paths.get(path.toUri().getPath());
        java.nio.file.Path whole = file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID() + ".tmp");
        Iterable<String> lines = () -> actions;
        Files.write(whole, lines);
        try {
            if (overwrite)
                Files.move(whole, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            else
                Files.createLink(file, whole);
        } catch (FileAlreadyExistsException lost) {
            throw new FileAlreadyExistsException(path.toString());
        } finally {
            Files.deleteIfExists(whole);
        }
    }
}
