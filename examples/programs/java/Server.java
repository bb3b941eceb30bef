import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;

public class Server {
    private static final AtomicInteger open = new AtomicInteger();
    private static volatile boolean stopping = false;

    public static void main(String[] args) throws Exception {
        // The socket is descriptor 0, as inetd passes it.
        ServerSocketChannel listener = (ServerSocketChannel) System.inheritedChannel();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(listener)));
        try {
            while (true) {
                SocketChannel connection = listener.accept();
                open.incrementAndGet();
                new Thread(() -> serve(connection)).start();
            }
        } catch (ClosedChannelException expected) {
            // The shutdown hook waits for the connections.
        }
    }

    /** SIGTERM: accept nothing more, and end each connection with its next response. */
    private static void stop(ServerSocketChannel listener) {
        stopping = true;
        try {
            listener.close();
            for (int i = 0; i < 200 && open.get() > 0; i++) Thread.sleep(50);
        } catch (IOException | InterruptedException error) {
            System.err.println(error);
        }
    }

    private static void serve(SocketChannel connection) {
        try (connection) {
            var reader = new BufferedReader(new InputStreamReader(Channels.newInputStream(connection)));
            boolean close = false;
            while (!close) {
                String line = reader.readLine();
                if (line == null) return;
                while (line != null && !line.isEmpty()) {
                    close |= line.equalsIgnoreCase("connection: close");
                    line = reader.readLine();
                }
                close |= stopping;
                String head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n" + (close ? "Connection: close\r\n" : "");
                connection.write(ByteBuffer.wrap((head + "\r\nhello\n").getBytes(StandardCharsets.US_ASCII)));
            }
        } catch (IOException error) {
            System.err.println(error);
        } finally {
            open.decrementAndGet();
        }
    }
}
